"""The outbox: an event that was written is delivered even if the process, the broker or the power fails.

Events pass through memory (unwritten.py) into an SQLite file (database_file.py), one transaction per batch, together
with the deletion of acknowledged events: one fsync for both. If the disk fails in any way, the caller gets no exception
and labeling continues:

- Full disk: the oldest events are dropped to make space for new ones, and counted. If even that cannot be written,
  events wait in memory (bounded; the oldest are dropped and counted), are delivered from there, and are written when
  there is space again.
- Disk errors, or a read-only disk: events also wait in memory, until the disk can be written again.
- Damaged file: it is set aside under a dated name, and a new one is created with what can still be read.
- Unreadable row: it is moved to the table set_aside, and the rows after it are delivered (stored_rows.py).

Invariants: ids increase; an event is returned once between two `release` calls; events are dropped only because of
their number, their age or lack of space, oldest first, and each one is counted. The counts start when the program
starts, like the other figures in T/stats. Each condition is logged once when it begins and once when it is resolved.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from appliance.messaging.outbox.database_file import (
    describe_unwritable,
    free_bytes,
    is_damage,
    is_disk_full,
    read_unwritable,
)
from appliance.messaging.outbox.event_queue import EventQueue
from appliance.messaging.outbox.open_events import OpenEvents
from appliance.messaging.outbox.set_aside_count import SetAsideCount
from appliance.messaging.outbox.stored_rows import Address, OutboxEvent, UnreadableRow, parse_event_row
from appliance.messaging.outbox.transactions import RESERVE_BYTES, OutboxDatabase
from appliance.messaging.outbox.unwritten import MAX_EVENTS, UnwrittenChanges
from appliance.messaging.payloads import encode
from appliance.system.device_id import boot_id as read_boot_id

log = logging.getLogger("appliance.mqtt")

RETRY_S = 5.0
"""How long to wait after a failed write before the next attempt."""

_RESOLVED_BYTES = 4 * RESERVE_BYTES  # free space at which a full disk counts as resolved
_EVENT_BYTES = 1024  # upper bound for one event in the file
_CLOSE_ATTEMPTS = 2
_AGE_CHECK_S = 10.0
_AGE_CHECK_EVENTS = 500


_since_boot_s = partial(time.clock_gettime, time.CLOCK_BOOTTIME)


class Outbox:
    """Events that wait for the broker. Safe to use from any thread; only the constructor raises.

    Attributes:
        path: The database file.
        dropped: How many events were dropped since the program started.
        error: Why events cannot be written normally, with the remedy; None if they can.
    """

    def __init__(
        self,
        path: Path,
        max_events: int,
        max_age_s: float,
        *,
        wall_s: Callable[[], float] = time.time,
        since_boot_s: Callable[[], float] = _since_boot_s,
        boot_id: str | None = None,
        address: Address | None = None,
    ):
        """Open the file, or create it and its folder.

        Args:
            path: The database file; its WAL is in the same folder.
            max_events: The maximum number of events to keep.
            max_age_s: Older events are dropped.
            wall_s: Returns the system's Unix time in seconds, which may be wrong.
            since_boot_s: Returns the seconds since the system booted; never corrected.
            boot_id: Identifies this boot of the system; None for the kernel's boot id.
            address: Changes the topic and the payload of events in the file that were written under another device id
                or base topic; None leaves all as they are.

        Raises:
            OutboxError: Another process uses the file.
        """
        self.path = path
        self.dropped = 0
        self.error: str | None = None
        self._max_events, self._max_age_s = max_events, max_age_s
        self._wall_s, self._since_boot_s = wall_s, since_boot_s
        self._boot_id = boot_id or read_boot_id()
        self._address = address
        self._lock = threading.RLock()
        self._file: OutboxDatabase | None = None
        self._stored, self._next_id = 0, 1
        self._unwritten = UnwrittenChanges()
        self._open = OpenEvents(self._unwritten)
        self._queue = EventQueue(self._unwritten)
        self._set_aside = SetAsideCount(path)
        self._space_events = max_events
        self._retry_at_s = self._age_check_at_s = 0.0
        try:
            self._open_file()
        except (sqlite3.Error, OSError) as error:
            self._report(describe_unwritable(self.path, error))
            self._load_unwritable()
        # Ids follow the clock, so that they increase even if the last id could not be read from the file.
        self._next_id = max(self._next_id, int(wall_s() * 1e6))

    @property
    def set_aside(self) -> int:
        """How many rows were set aside since the program started, because they cannot be read or delivered."""
        return self._set_aside.total

    @property
    def waiting(self) -> int:
        """How many events wait for the broker's acknowledgment."""
        with self._lock:
            return max(0, self._stored - len(self._unwritten.leaving)) + len(self._unwritten.events)

    def append(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Write events, and delete acknowledged ones, in one transaction.

        Args:
            events: Each `{"topic": str, "payload": dict, "time": Unix time in seconds}`; the default time is now. A
                payload whose "type" is `started` or `ended` opens or closes the event with its "id".
        """
        with self._lock:
            now_s, wall_s = self._since_boot_s(), self._wall_s()
            for event in events:
                time_s = event.get("time", wall_s)
                self._add(event["topic"], event["payload"], time_s, now_s - (wall_s - time_s))
            self.dropped += self._unwritten.drop_oldest(self._max_events)
            self._store()
            self.dropped += self._unwritten.drop_oldest(MAX_EVENTS)
            self._unwritten.bound_notes(self._max_events)

    def take_batch(self, limit: int, without_topics: Collection[str] = ()) -> list[OutboxEvent]:
        """Return up to `limit` of the oldest events not returned since the last `release`, in order."""
        with self._lock:
            batch: list[OutboxEvent] = []
            if self._file:
                try:
                    self._set_aside.add("events", self._queue.take_stored(batch, self._file, limit, without_topics))
                except (sqlite3.Error, OSError) as error:
                    self._handle_failure(error)
            self._queue.take_unwritten(batch, limit, without_topics)
            return batch

    def acknowledge(self, ids: Iterable[int]) -> None:
        """Note that the broker has acknowledged these events; the next `append` or `commit` deletes them."""
        with self._lock:
            for id in ids:
                self._queue.forget(id)
                self._unwritten.acknowledge(id)

    def commit(self) -> None:
        """Delete acknowledged events, and write events that could not be written earlier."""
        self.append(())

    def release(self, except_ids: Iterable[int] = ()) -> None:
        """Make `take_batch` return all unacknowledged events again, except these."""
        with self._lock:
            self._queue.release(except_ids)

    def age_s(self, event: OutboxEvent) -> float:
        """Return the seconds since the event happened.

        Within one boot of the system this does not depend on the wall clock, which on a board without a clock battery
        jumps when the network becomes available.
        """
        return self._wall_s() - event.time if event.born_s is None else self._since_boot_s() - event.born_s

    def open_events(self, check: Callable[[Mapping[str, Any]], object] = dict) -> list[dict[str, Any]]:
        """Return the start payloads of events whose end was never written, in the order of their ids.

        Args:
            check: Raises an exception if a payload cannot be used; its row is then set aside.
        """
        with self._lock:
            payloads, reasons = self._open.read(check)
            self._set_aside.add("open events", reasons)
            return payloads

    def close(self) -> None:
        """Write the remaining events and close the file."""
        with self._lock:
            for _ in range(_CLOSE_ATTEMPTS):
                self._retry_at_s = 0.0
                self.commit()
                if not self._unwritten.events:
                    break
            if self._file:
                self._file.close()
                self._file = None

    def _add(self, topic: str, payload: Mapping[str, Any], time_s: float, born_s: float) -> None:
        try:
            text = encode(payload).decode()
        except (TypeError, ValueError):
            log.exception("an event for %s cannot be written as JSON and is dropped", topic)
            return
        self._unwritten.events[self._next_id] = OutboxEvent(self._next_id, topic, text, time_s, born_s)
        self._next_id += 1
        self._open.note(payload, text)

    def _store(self) -> None:
        now_s = self._since_boot_s()
        idle = self._unwritten.is_empty and not self.error and now_s < self._age_check_at_s
        if idle or now_s < self._retry_at_s:
            return
        try:
            if self._file is None:
                self._open_file()
            self._commit_changes(max(self._count_excess(), self._count_aged(now_s)))
        except (sqlite3.Error, OSError) as error:
            self._handle_failure(error)
        else:
            self._age_check_at_s = now_s + _AGE_CHECK_S if now_s >= self._age_check_at_s else self._age_check_at_s
            self._resolve_error()

    def _commit_changes(self, drop_oldest: int) -> None:
        if self._file is None:
            raise sqlite3.ProgrammingError("the outbox is closed")
        change = self._unwritten.build_transaction(drop_oldest)
        delivered, dropped = self._file.commit(change)
        self.dropped += dropped
        self._stored += len(change.new) - delivered - dropped
        self._unwritten.clear()

    def _count_excess(self) -> int:
        waiting = self._stored - len(self._unwritten.leaving) + len(self._unwritten.events)
        return waiting - min(self._max_events, self._space_events)

    def _count_aged(self, now_s: float) -> int:
        """Return how many of the oldest events in the file are too old; checked at intervals, 0 in between."""
        if now_s < self._age_check_at_s or not self._file:
            return 0
        aged = 0
        for event in self._file.read_after(0, _AGE_CHECK_EVENTS):
            if isinstance(event, UnreadableRow):
                continue  # set aside when it is its turn to be delivered
            if self.age_s(event) <= self._max_age_s:
                break
            aged += event.id not in self._unwritten.leaving
        return aged

    def _handle_failure(self, error: sqlite3.Error | OSError) -> None:
        self._retry_at_s = self._since_boot_s() + RETRY_S
        self._unwritten.is_unsure = True
        if isinstance(error, sqlite3.Error):
            if is_damage(error):
                self._replace_file(f"is damaged ({error})")
                return
            if is_disk_full(error) and self._make_space():
                self._retry_at_s = 0.0
                self._report(
                    f"the disk that holds {self.path} is full, so the oldest events are dropped to make space for new"
                    " ones; free space on that disk"
                )
                return
        self._report(describe_unwritable(self.path, error))
        if self._file and not (isinstance(error, sqlite3.Error) and is_disk_full(error)):
            self._reopen_file(self._file)

    def _make_space(self) -> bool:
        """Store in the space of the reserve, or else by dropping the oldest events; return whether it worked."""
        if not self._file:
            return False
        try:
            self._file.release_reserve()
            try:
                self._commit_changes(self._count_excess())
            except sqlite3.Error as error:
                if not is_disk_full(error):
                    raise
                self._commit_changes(max(self._count_excess(), 2 * len(self._unwritten.events) + 32))
            # Half of the released reserve is for events, half for the WAL. From now on, as many events are dropped as
            # arrive, so that the file does not grow until there is space again.
            spare_bytes = max(0, free_bytes(self.path) - RESERVE_BYTES // 2)
            self._space_events = max(1, self._stored + spare_bytes // _EVENT_BYTES)
        except (sqlite3.Error, OSError) as error:
            log.debug("making space failed: %s", error)
            return False
        return True

    def _replace_file(self, damage: str) -> None:
        """Set aside the damaged file, and write what can be read of it and the events in memory into a new one."""
        try:
            if self._file:
                self._file.close()
                self._file = None
            self._open_file(damage)
            # Open events stay open, so the new file must contain them too.
            self._unwritten.opened = dict(self._open.payloads)
            self._commit_changes(0)
        except (sqlite3.Error, OSError) as again:
            self._report(describe_unwritable(self.path, again))

    def _reopen_file(self, file: OutboxDatabase) -> None:
        """Reopen the file after an I/O error, because SQLite cannot know what the old handle left on the disk."""
        file.close()
        self._file = None
        try:
            self._open_file()
        except (sqlite3.Error, OSError) as error:
            log.debug("opening %s again failed: %s", self.path, error)

    def _open_file(self, damage: str | None = None) -> None:
        self._file = OutboxDatabase(self.path, self._boot_id, address=self._address, damage=damage)
        self._set_aside.add_logged(self._file.unreadable)
        self._stored = self._file.count()
        self._next_id = max(self._next_id, self._file.find_last_id() + 1)
        self._queue.rewind()
        self._set_aside.add("open events", self._open.add_stored(self._file.read_open_events()))

    def _load_unwritable(self) -> None:
        """Deliver the events of a file that cannot be written from memory; they also stay in the file."""
        try:
            rows, open_rows = read_unwritable(self.path, self._boot_id)
        except (sqlite3.Error, OSError) as error:
            log.debug("%s cannot be read: %s", self.path, error)
            return
        parsed = [parse_event_row(row, self._address) for row in rows[:MAX_EVENTS]]
        self._unwritten.add_unwritable(event for event in parsed if isinstance(event, OutboxEvent))
        self._open.add_stored(open_rows)
        self._next_id = max((event.id + 1 for event in parsed), default=1)

    def _resolve_error(self) -> None:
        if self.error and free_bytes(self.path) >= _RESOLVED_BYTES:
            self.error = None
            self._space_events = self._max_events
            if self._file:
                self._file.restore_reserve()
            log.info("resolved: the outbox %s can be written again; %d events waiting", self.path, self.waiting)

    def _report(self, error: str) -> None:
        if error != self.error:
            self.error = error
            log.error("%s", error)
