"""Read and write the file of undelivered events.

sqlite3 errors are not caught here; outbox.py handles them.

A second file in the same folder, the reserve, holds free space. Deleting needs disk space too, because the WAL must
first be checkpointed into the database; on a full disk the reserve is released for that, and from then on the database
does not grow.
"""

import contextlib
import logging
import os
import sqlite3
import weakref
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.messaging.outbox.database_file import WAL_KEPT_BYTES, open_database
from appliance.messaging.outbox.stored_rows import (
    MAX_ID,
    Address,
    OutboxEvent,
    UnreadableRow,
    is_boot_number,
    parse_event_row,
)

log = logging.getLogger("appliance.mqtt")

RESERVE_BYTES = WAL_KEPT_BYTES
"""The size of the reserve."""

MAX_SET_ASIDE_ROWS = 100
"""How many rows that cannot be delivered are kept, for a person to look at."""

# Created when the first row is set aside, so that the files of healthy devices stay as they are.
_SET_ASIDE_TABLE = """
CREATE TABLE IF NOT EXISTS set_aside (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    row,            -- the id of the event, or of the open event
    topic BLOB,     -- NULL for an open event
    payload BLOB,
    why TEXT
)
"""


@dataclass(frozen=True, slots=True)
class OutboxTransaction:
    """The changes of one transaction, made in this order.

    Attributes:
        delivered: Ids of events to delete.
        drop_oldest: How many of the oldest events to delete without delivery.
        new: Events to insert.
        opened: Starts to add to the open events: event id → payload (JSON).
        ended: Ids to remove from the open events.
        set_aside: Events to move to the table of rows that are not delivered: id → reason.
        set_aside_open: Ids of open events to move there, as stored: id → reason.
    """

    delivered: Collection[int]
    drop_oldest: int
    new: Collection[OutboxEvent]
    opened: Mapping[str, str]
    ended: Collection[str]
    set_aside: Mapping[int, str] = field(default_factory=dict)
    set_aside_open: Mapping[bytes, str] = field(default_factory=dict)


class OutboxDatabase:
    """An open outbox file. Not thread-safe: outbox.py holds the lock."""

    def __init__(self, path: Path, boot_id: str, *, address: Address | None = None, damage: str | None = None):
        """Open the file, or create it.

        Args:
            path: The database; its WAL is in the same folder.
            boot_id: Identifies this boot of the system.
            address: See parse_event_row.
            damage: What was found to be wrong with the file, which is then replaced; None if nothing is known.

        Raises:
            OutboxError: Another process uses the file.
            sqlite3.Error, OSError: The file can be neither opened nor created.
        """
        self.path = path
        self._reserve = path.with_name(f"{path.name}.reserve")
        self._address = address
        opened = open_database(path, damage)
        self._db, self.unreadable = opened.db, opened.unreadable
        # A start that fails drops this object without `close`, which Python 3.13 reports.
        weakref.finalize(self, self._db.close).atexit = False
        try:
            self._boot_id = boot_id
            self._boot, self._boot_known = self._find_boot(boot_id)
        except BaseException:
            self._db.close()
            raise
        self.restore_reserve()

    def count(self) -> int:
        """Return the number of events in the file."""
        return int(self._db.execute("SELECT count(*) FROM events").fetchone()[0])

    def find_last_id(self) -> int:
        """Return the highest id; 0 if the file is empty."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])

    def read_open_events(self) -> list[tuple[Any, Any]]:
        """Return the id and the start payload of each open event, as stored; parse_open_row checks them."""
        return self._db.execute("SELECT id, payload FROM open_events ORDER BY id").fetchall()

    def read_after(
        self, id: int, limit: int, without_topics: Collection[str] = ()
    ) -> list[OutboxEvent | UnreadableRow]:
        """Return up to `limit` of the oldest events whose id is greater than `id`, in order."""
        placeholders = ",".join("?" * len(without_topics))
        query = (
            "SELECT id, topic, payload, time, CASE WHEN boot = ? THEN born_s END FROM events"  # noqa: S608 - "?" only
            f" WHERE id > ? AND topic NOT IN ({placeholders}) ORDER BY id LIMIT ?"
        )
        rows = self._db.execute(query, (self._boot, id, *without_topics, limit))
        return [parse_event_row(row, self._address) for row in rows]

    def commit(self, change: OutboxTransaction) -> tuple[int, int]:
        """Execute one transaction, with one fsync.

        Returns:
            How many events were deleted because they were delivered or set aside, and how many were dropped.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            counts = self._execute(change)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._boot_known = True
        return counts

    def _execute(self, change: OutboxTransaction) -> tuple[int, int]:
        delete = "DELETE FROM events WHERE id = ?"
        delivered = max(0, self._db.executemany(delete, ((id,) for id in change.delivered)).rowcount)
        if change.set_aside or change.set_aside_open:
            delivered += self._set_aside(change)
        dropped = 0
        if change.drop_oldest:
            oldest = "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?)"
            dropped = self._db.execute(oldest, (change.drop_oldest,)).rowcount
        self._db.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
            ((event.id, event.topic, event.payload, event.time, self._boot, event.born_s) for event in change.new),
        )
        self._db.executemany("INSERT OR REPLACE INTO open_events VALUES (?, ?)", change.opened.items())
        self._db.executemany("DELETE FROM open_events WHERE id = ?", ((id,) for id in change.ended))
        if not self._boot_known:
            self._db.execute("DELETE FROM boot")
            self._db.execute("INSERT INTO boot VALUES (?, ?)", (self._boot, self._boot_id))
        return delivered, dropped

    def _set_aside(self, change: OutboxTransaction) -> int:
        """Move rows to the table set_aside, which keeps the newest; return how many events were moved."""
        moved = 0
        self._db.execute(_SET_ASIDE_TABLE)
        for id, why in change.set_aside.items():
            self._db.execute(
                "INSERT INTO set_aside (row, topic, payload, why)"
                " SELECT id, CAST(topic AS BLOB), CAST(payload AS BLOB), ? FROM events WHERE id = ?",
                (why, id),
            )
            moved += self._db.execute("DELETE FROM events WHERE id = ?", (id,)).rowcount
        for open_id, why in change.set_aside_open.items():
            self._db.execute(
                "INSERT INTO set_aside (row, payload, why)"
                " SELECT CAST(id AS BLOB), CAST(payload AS BLOB), ? FROM open_events WHERE CAST(id AS BLOB) = ?",
                (why, open_id),
            )
            self._db.execute("DELETE FROM open_events WHERE CAST(id AS BLOB) = ?", (open_id,))
        self._db.execute(
            "DELETE FROM set_aside WHERE number <= (SELECT max(number) FROM set_aside) - ?", (MAX_SET_ASIDE_ROWS,)
        )
        return moved

    def _find_boot(self, boot_id: str) -> tuple[int, bool]:
        """Return the number of this boot, and whether the file contains it."""
        last = self._db.execute("SELECT number, id FROM boot ORDER BY number DESC LIMIT 1").fetchone()
        if last and is_boot_number(last[0]) and last[1] == boot_id.encode():
            return last[0], True
        used = self._db.execute("SELECT max(boot) FROM events WHERE typeof(boot) = 'integer'").fetchone()[0]
        numbers = [number for number in (last and last[0], used) if is_boot_number(number)]
        return min(max(numbers, default=0) + 1, MAX_ID), False

    def release_reserve(self) -> None:
        """Delete the reserve and checkpoint the WAL into the database, so that the WAL's space can be reused."""
        self._reserve.unlink(missing_ok=True)
        self._db.execute("PRAGMA wal_checkpoint(RESTART)")

    def restore_reserve(self) -> None:
        """Create the reserve, or recreate it, if the disk has space for it."""
        try:
            fd = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, RESERVE_BYTES)
            finally:
                os.close(fd)
        except OSError as error:
            log.debug("no reserve for %s: %s", self.path, error)
            with contextlib.suppress(OSError):
                self._reserve.unlink()

    def close(self) -> None:
        """Close the file; ignore errors, because everything important is already committed."""
        try:
            self._db.close()
        except sqlite3.Error as error:
            log.debug("closing %s failed: %s", self.path, error)
