"""The outbox: an event that was written is delivered, whatever happens to the process, the broker or the power.

Events pass through memory into a SQLite file (outbox_file.py) in one transaction a batch, together with the deletion of
what the broker has acknowledged: one fsync for both. Whatever goes wrong with the disk, the caller never sees an
exception and labeling goes on:

- A full disk: the oldest events make room for new ones, and are counted as dropped. Where not even that can be
  written, events wait in memory (bounded, the oldest dropped and counted), are delivered from there, and go into
  the file as soon as there is room.
- A disk that gives errors or turned read-only: likewise in memory, until it can be written again.
- A damaged file is set aside under a dated name and a new one begun.

What always holds: ids count up; an event is given out once between two `release` calls; events are dropped only for
number, age or want of room, the oldest first, and each is counted. The count is since the start of the program, as
the other figures in T/stats are. Each trouble is logged once when it begins and once when it is over.
"""

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from appliance.messaging.outbox.file import (
    RESERVE_BYTES,
    OutboxEvent,
    OutboxFile,
    OutboxTransaction,
    is_damage,
    is_full,
    set_aside,
)
from appliance.messaging.payloads import encode

log = logging.getLogger(__name__)

MEMORY_EVENTS = 10_000
"""Events kept in memory at the most while the file cannot be written."""

RETRY_S = 5.0
"""How long after a failed write the next one is tried."""

_ROOM_BYTES = 4 * RESERVE_BYTES  # so much must be free for a full disk to count as over
_EVENT_BYTES = 1024  # of one event in the file, generously
_LAST_TRIES = 2
_AGE_CHECK_S = 10.0
_AGE_CHECK_EVENTS = 500


def _since_boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Outbox:
    """Events that wait for the broker. Safe to use from any thread; after the constructor nothing raises."""

    def __init__(
        self,
        path: Path,
        max_events: int,
        max_age_s: float,
        *,
        wall_s: Callable[[], float] = time.time,
        since_boot_s: Callable[[], float] = _since_boot_s,
        boot_id: str | None = None,
    ):
        """Args:
            path: The database file; its WAL lies beside it. The folder is made where it is missing.
            max_events: Events kept at the most.
            max_age_s: Older events are dropped.
            wall_s: Seconds since 1970 UTC, as far as the system knows.
            since_boot_s: Seconds since the system started; never corrected.
            boot_id: Tells this boot of the system from others; without it, the kernel's.

        Raises:
            OutboxError: Another process holds the file.
        """
        self.path = path
        self.dropped = 0
        self.trouble: str | None = None
        self._max_events = max_events
        self._max_age_s = max_age_s
        self._wall_s, self._since_boot_s = wall_s, since_boot_s
        self._boot_id = boot_id or _kernel_boot_id()
        self._lock = threading.RLock()
        self._file: OutboxFile | None = None
        self._stored = 0
        self._memory: dict[int, OutboxEvent] = {}  # not in the file (yet)
        self._acknowledged: set[int] = set()  # still in the file
        self._unsure = False  # a write failed: what is in memory may be in the file all the same
        self._given_out: set[int] = set()
        self._cursor = 0
        self._open: dict[str, str] = {}
        self._opened: dict[str, str] = {}  # changes of _open that the file does not have yet
        self._ended: dict[str, None] = {}  # in the order of their ends
        self._room_events = max_events
        self._retry_at_s = self._age_check_at_s = 0.0
        self._next_id = 1
        try:
            self._open_file()
        except (sqlite3.Error, OSError) as error:
            self._say_unwritable(error)
        # Ids follow the clock, so that they count up even where the file could not be read to see the last one.
        self._next_id = max(self._next_id, int(wall_s() * 1e6))

    @property
    def waiting(self) -> int:
        """How many events wait for the broker's acknowledgement."""
        with self._lock:
            return max(0, self._stored - len(self._acknowledged)) + len(self._memory)

    def append(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Writes events, and deletes what was acknowledged, in one transaction.

        Args:
            events: Each `{"topic": str, "payload": dict, "time": seconds since 1970 UTC}`; without a time it is now. A
                payload with "type" `started` or `ended` opens or closes the event of its "id".
        """
        with self._lock:
            now_s, wall_s = self._since_boot_s(), self._wall_s()
            for event in events:
                time_s = event.get("time", wall_s)
                self._take(event["topic"], event["payload"], time_s, now_s - (wall_s - time_s))
            self._bound_memory(self._max_events)
            self._store()
            self._bound_memory(MEMORY_EVENTS)
            self._bound_notes()

    def next_batch(self, limit: int, without_topics: Collection[str] = ()) -> list[OutboxEvent]:
        """The oldest events that were not given out since the last `release`, `limit` at the most, in order."""
        with self._lock:
            batch: list[OutboxEvent] = []
            while self._file and len(batch) < limit:
                try:
                    entries = self._file.after(self._cursor, limit, without_topics)
                except (sqlite3.Error, OSError) as error:
                    self._failed(error)
                    break
                if not entries:
                    break
                for entry in entries:
                    self._cursor = entry.id
                    if not any(entry.id in known for known in (self._given_out, self._acknowledged, self._memory)):
                        batch.append(entry)
                    if len(batch) == limit:
                        break
            for entry in self._memory.values():
                if len(batch) < limit and entry.id not in self._given_out and entry.topic not in without_topics:
                    batch.append(entry)
            self._given_out.update(entry.id for entry in batch)
            return batch

    def acknowledge(self, ids: Iterable[int]) -> None:
        """Notes that the broker has these; they are deleted with the next `append` or `commit`."""
        with self._lock:
            for id in ids:
                self._given_out.discard(id)
                if self._memory.pop(id, None) is None or self._unsure:
                    self._acknowledged.add(id)

    def commit(self) -> None:
        """Deletes what was acknowledged and writes what could not be written before."""
        self.append(())

    def release(self, except_ids: Iterable[int] = ()) -> None:
        """Lets everything that was not acknowledged be given out again, except these."""
        with self._lock:
            self._given_out = set(except_ids)
            self._cursor = 0

    def age_s(self, entry: OutboxEvent) -> float:
        """Seconds since the event happened.

        Within one boot of the system this is right whatever happens to the wall clock, which on a board without a
        battery jumps when the network comes.
        """
        return self._wall_s() - entry.time if entry.born_s is None else self._since_boot_s() - entry.born_s

    def open_events(self) -> list[dict[str, Any]]:
        """The payloads of events that started and whose end was never written, in the order of their ids."""
        with self._lock:
            return [json.loads(self._open[id]) for id in sorted(self._open)]

    def close(self) -> None:
        """Writes what is left and closes the file."""
        with self._lock:
            for _ in range(_LAST_TRIES):
                self._retry_at_s = 0.0
                self.commit()
                if not self._memory:
                    break
            if self._file:
                self._file.close()
                self._file = None

    def _take(self, topic: str, payload: Mapping[str, Any], time_s: float, born_s: float) -> None:
        try:
            text = encode(payload).decode()
        except (TypeError, ValueError):
            log.exception("an event for %s cannot be written as JSON and is left out", topic)
            return
        self._memory[self._next_id] = OutboxEvent(self._next_id, topic, text, time_s, born_s)
        self._next_id += 1
        kind, id = payload.get("type"), payload.get("id")
        if kind == "started":
            self._open[id] = self._opened[id] = text
            self._ended.pop(id, None)
        elif kind == "ended" and id is not None:
            self._open.pop(id, None)
            self._opened.pop(id, None)
            self._ended[id] = None

    def _store(self) -> None:
        now_s = self._since_boot_s()
        idle = not (self._memory or self._acknowledged or self._opened or self._ended)
        if (idle and not self.trouble and now_s < self._age_check_at_s) or now_s < self._retry_at_s:
            return
        try:
            if self._file is None:
                self._open_file()
            self._transaction(max(self._excess(), self._aged(now_s)))
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
        else:
            self._age_check_at_s = now_s + _AGE_CHECK_S if now_s >= self._age_check_at_s else self._age_check_at_s
            self._over()

    def _transaction(self, drop: int) -> None:
        assert self._file
        new = list(self._memory.values())
        gone = self._acknowledged | self._memory.keys() if self._unsure else self._acknowledged
        delivered, dropped = self._file.commit(OutboxTransaction(gone, max(0, drop), new, self._opened, self._ended))
        self.dropped += dropped
        self._stored += len(new) - delivered - dropped
        for written in (self._memory, self._acknowledged, self._opened, self._ended):
            written.clear()
        self._unsure = False

    def _excess(self) -> int:
        return self._stored - len(self._acknowledged) + len(self._memory) - min(self._max_events, self._room_events)

    def _aged(self, now_s: float) -> int:
        """How many of the oldest in the file are too old; looked at now and then."""
        if now_s < self._age_check_at_s or not self._file:
            return 0
        oldest = self._file.after(0, _AGE_CHECK_EVENTS)
        aged = 0
        for entry in oldest:
            if self.age_s(entry) <= self._max_age_s:
                break
            aged += entry.id not in self._acknowledged
        return aged

    def _failed(self, error: sqlite3.Error | OSError) -> None:
        self._retry_at_s = self._since_boot_s() + RETRY_S
        self._unsure = True
        if isinstance(error, sqlite3.Error):
            if is_damage(error):
                self._begin_anew(error)
                return
            if is_full(error) and self._made_room():
                self._retry_at_s = 0.0
                self._say(
                    f"the disk under {self.path} is full: the oldest events make room for new ones until there is space"
                )
                return
        self._say_unwritable(error)
        if self._file and not (isinstance(error, sqlite3.Error) and is_full(error)):
            self._reopen()

    def _made_room(self) -> bool:
        """Tries to store with the room that the reserve gives, else in the place of the oldest events."""
        if not self._file:
            return False
        try:
            self._file.make_room()
            try:
                self._transaction(self._excess())
            except sqlite3.Error as error:
                if not is_full(error):
                    raise
                self._transaction(max(self._excess(), 2 * len(self._memory) + 32))
            # Half of what the reserve gave is for events, half for the WAL. Then as many go as come, so that the file does
            # not grow, until there is space again.
            spare_bytes = max(0, _room_bytes(self.path) - RESERVE_BYTES // 2)
            self._room_events = max(1, self._stored + spare_bytes // _EVENT_BYTES)
        except (sqlite3.Error, OSError) as error:
            log.debug("no room was made: %s", error)
            return False
        return True

    def _begin_anew(self, error: sqlite3.Error) -> None:
        """The file turned out to be damaged while in use: what is in memory goes into a new one."""
        try:
            if self._file:
                self._file.close()
                self._file = None
            set_aside(self.path, f"is damaged ({error})")
            self._open_file()
            # What is open stays so: the new file has to learn of it.
            self._opened = dict(self._open)
            self._transaction(0)
        except (sqlite3.Error, OSError) as again:
            self._say_unwritable(again)

    def _reopen(self) -> None:
        """After an I/O error a new handle, because SQLite cannot know what the old one left on the disk."""
        assert self._file
        self._file.close()
        self._file = None
        try:
            self._open_file()
        except (sqlite3.Error, OSError) as error:
            log.debug("reopening %s: %s", self.path, error)

    def _open_file(self) -> None:
        self._file = OutboxFile(self.path, self._boot_id)
        self._stored = self._file.count()
        self._next_id = max(self._next_id, self._file.last_id() + 1)
        self._cursor = 0
        for id, payload in self._file.open_events().items():
            if id not in self._ended:
                self._open.setdefault(id, payload)

    def _bound_memory(self, events: int) -> None:
        for id in list(self._memory)[: max(0, len(self._memory) - events)]:
            del self._memory[id]
            self.dropped += 1

    def _bound_notes(self) -> None:
        """What the file is to forget adds up while it cannot be written; what it can know of comes first."""
        if len(self._ended) > 2 * MEMORY_EVENTS:
            self._ended = dict.fromkeys(list(self._ended)[:MEMORY_EVENTS])
        if len(self._acknowledged) > 2 * (self._max_events + MEMORY_EVENTS):
            self._acknowledged = set(sorted(self._acknowledged)[: self._max_events + MEMORY_EVENTS])

    def _over(self) -> None:
        if self.trouble and _room_bytes(self.path) >= _ROOM_BYTES:
            self.trouble = None
            self._room_events = self._max_events
            if self._file:
                self._file.reserve()
            log.info("the outbox %s is written again; %d events waiting", self.path, self.waiting)

    def _say_unwritable(self, error: Exception) -> None:
        self._say(
            f"the outbox {self.path} cannot be written ({_reason(error)}): events wait in memory and are lost if the"
            " process ends; give the disk room, or the service its rights on the folder"
        )

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            log.error("%s", trouble)


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _kernel_boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"unknown-{os.getpid()}-{time.time_ns()}"


def _room_bytes(path: Path) -> int:
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return 0
    return disk.f_bavail * disk.f_frsize
