"""Read and write the file of undelivered events.

sqlite3 errors are not caught here; outbox.py handles them.

A second file in the same folder, the reserve, holds free space. Deleting needs disk space too, because the WAL must
first be checkpointed into the database; on a full disk the reserve is released for that, and from then on the database
does not grow.
"""

import logging
import os
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.messaging.outbox.database_file import WAL_KEPT_BYTES, open_database

log = logging.getLogger("appliance.mqtt")

RESERVE_BYTES = WAL_KEPT_BYTES
"""The size of the reserve."""


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An event that waits for delivery.

    Attributes:
        id: Increases; a later event has a higher id.
        topic: The MQTT topic.
        payload: JSON.
        time: When the event happened, Unix time in seconds.
        born_s: The same moment in seconds since this system boot; None for an event from an earlier boot.
    """

    id: int
    topic: str
    payload: str
    time: float
    born_s: float | None


@dataclass(frozen=True, slots=True)
class OutboxTransaction:
    """The changes of one transaction, made in this order.

    Attributes:
        delivered: Ids of events to delete.
        drop_oldest: How many of the oldest events to delete without delivery.
        new: Events to insert.
        opened: Starts to add to the open events: event id → payload (JSON).
        ended: Ids to remove from the open events.
    """

    delivered: Collection[int]
    drop_oldest: int
    new: Collection[OutboxEvent]
    opened: Mapping[str, str]
    ended: Collection[str]


class OutboxDatabase:
    """An open outbox file. Not thread-safe: outbox.py holds the lock."""

    def __init__(self, path: Path, boot_id: str):
        """Open the file, or create it.

        Args:
            path: The database; its WAL is in the same folder.
            boot_id: Identifies this boot of the system.

        Raises:
            OutboxError: Another process uses the file.
            sqlite3.Error, OSError: The file can be neither opened nor created.
        """
        self.path = path
        self._reserve = path.with_name(f"{path.name}.reserve")
        self._db = open_database(path)
        last = self._db.execute("SELECT number, id FROM boot ORDER BY number DESC LIMIT 1").fetchone()
        self._boot_id = boot_id
        self._boot_known = last is not None and last[1] == boot_id
        self._boot = 1 if last is None else last[0] if self._boot_known else last[0] + 1
        self.restore_reserve()

    def count(self) -> int:
        """Return the number of events in the file."""
        return int(self._db.execute("SELECT count(*) FROM events").fetchone()[0])

    def find_last_id(self) -> int:
        """Return the highest id; 0 if the file is empty."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])

    def read_open_events(self) -> dict[str, str]:
        """Return the start payload (JSON) of each open event, by event id."""
        return dict(self._db.execute("SELECT id, payload FROM open_events ORDER BY id"))

    def read_after(self, id: int, limit: int, without_topics: Collection[str] = ()) -> list[OutboxEvent]:
        """Return up to `limit` of the oldest events whose id is greater than `id`, in order."""
        placeholders = ",".join("?" * len(without_topics))
        query = (
            "SELECT id, topic, payload, time, CASE WHEN boot = ? THEN born_s END FROM events"  # noqa: S608 - "?" only
            f" WHERE id > ? AND topic NOT IN ({placeholders}) ORDER BY id LIMIT ?"
        )
        rows = self._db.execute(query, (self._boot, id, *without_topics, limit))
        return [OutboxEvent(*row) for row in rows]

    def commit(self, change: OutboxTransaction) -> tuple[int, int]:
        """Execute one transaction, with one fsync.

        Returns:
            How many events were deleted because they were delivered, and how many were dropped.
        """
        before = self._db.total_changes
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany("DELETE FROM events WHERE id = ?", ((id,) for id in change.delivered))
            delivered = self._db.total_changes - before
            if change.drop_oldest:
                self._db.execute(
                    "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?)", (change.drop_oldest,)
                )
            dropped = self._db.total_changes - before - delivered
            self._db.executemany(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
                ((event.id, event.topic, event.payload, event.time, self._boot, event.born_s) for event in change.new),
            )
            self._db.executemany("INSERT OR REPLACE INTO open_events VALUES (?, ?)", change.opened.items())
            self._db.executemany("DELETE FROM open_events WHERE id = ?", ((id,) for id in change.ended))
            if not self._boot_known:
                self._db.execute("DELETE FROM boot")
                self._db.execute("INSERT INTO boot VALUES (?, ?)", (self._boot, self._boot_id))
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._boot_known = True
        return delivered, dropped

    def release_reserve(self) -> None:
        """Delete the reserve and checkpoint the WAL into the database, so that the WAL's space can be reused."""
        self._reserve.unlink(missing_ok=True)
        self._db.execute("PRAGMA wal_checkpoint(RESTART)")

    def restore_reserve(self) -> None:
        """Create the reserve, or recreate it, if the disk has space for it."""
        try:
            fd = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, RESERVE_BYTES)
            finally:
                os.close(fd)
        except OSError as error:
            log.debug("no reserve for %s: %s", self.path, error)
            self._reserve.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; ignore errors, because everything important is already committed."""
        try:
            self._db.close()
        except sqlite3.Error as error:
            log.debug("closing %s failed: %s", self.path, error)
