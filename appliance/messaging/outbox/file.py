"""The file of undelivered events: a small SQLite database, and the rules under which it is opened.

WAL with synchronous=FULL: one fsync a transaction, and what was committed survives a power cut (NORMAL would make no
fsync at commit). The file is held exclusively for the life of the process; SQLite then needs no shared-memory file,
which on a full disk would end the process with SIGBUS. A file that is damaged, or is not an outbox, is set aside under
a dated name with its WAL, never deleted, and a new one begun. What to do about a failed write is outbox.py's part:
here errors of sqlite3 pass through.

Beside it lies a reserve of empty space. Deleting needs room too, for the WAL's content has to move into the database
first; on a full disk the reserve is given up for that, and from then on the file lives on without growing.
"""

import logging
import os
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.errors import OutboxError

log = logging.getLogger(__name__)

VERSION = 1
"""PRAGMA user_version of the files that this program writes."""

_SET_ASIDE_AT_MOST = 3
_PAGE_BYTES = 4096
_WAL_PAGES = 64  # after so many the WAL is moved into the database
_WAL_KEPT_BYTES = 2 * _WAL_PAGES * _PAGE_BYTES
RESERVE_BYTES = _WAL_KEPT_BYTES
"""The empty space that is kept beside the file."""

_SCHEMA = f"""
CREATE TABLE events (
    id INTEGER PRIMARY KEY,     -- counts up over the life of the device
    topic TEXT NOT NULL,
    payload TEXT NOT NULL,      -- JSON, as it is sent
    time REAL NOT NULL,         -- of the event, seconds since 1970 UTC
    boot INTEGER NOT NULL,      -- number of the system's boot in which it was written
    born_s REAL NOT NULL        -- `time` on the clock of that boot, which no correction of the wall clock moves
);
CREATE TABLE open_events (      -- events that started and have not ended
    id TEXT PRIMARY KEY,
    payload TEXT NOT NULL       -- of the start
) WITHOUT ROWID;
CREATE TABLE boot (number INTEGER PRIMARY KEY, id TEXT NOT NULL);
PRAGMA user_version = {VERSION};
"""


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An event that waits for delivery.

    Attributes:
        id: Counts up; a later event has the greater one.
        topic: Where it goes.
        payload: JSON.
        time: Of the event, seconds since 1970 UTC.
        born_s: The same moment in seconds since this boot of the system; None for an event of an earlier boot.
    """

    id: int
    topic: str
    payload: str
    time: float
    born_s: float | None


@dataclass(frozen=True, slots=True)
class OutboxTransaction:
    """What one transaction does, in this order: delete, drop the oldest, insert, note what is open."""

    delivered: Collection[int]
    drop_oldest: int
    new: Collection[OutboxEvent]
    opened: Mapping[str, str]
    ended: Collection[str]


class OutboxFile:
    """An open outbox file. Not thread-safe: outbox.py holds the lock."""

    def __init__(self, path: Path, boot_id: str):
        """Opens the file, or begins one.

        Args:
            path: The database; its WAL lies beside it.
            boot_id: What tells this boot of the system from others.

        Raises:
            OutboxError: Another process holds it.
            sqlite3.Error, OSError: It can be neither opened nor begun.
        """
        self.path = path
        self._reserve = path.with_name(f"{path.name}.reserve")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = _opened(path)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            set_aside(path, f"is damaged ({error})")
            self._db = _opened(path)
        last = self._db.execute("SELECT number, id FROM boot ORDER BY number DESC LIMIT 1").fetchone()
        self._boot_id = boot_id
        self._boot_known = last is not None and last[1] == boot_id
        self._boot = 1 if last is None else last[0] if self._boot_known else last[0] + 1
        self.reserve()

    def count(self) -> int:
        """How many events wait in the file."""
        return self._db.execute("SELECT count(*) FROM events").fetchone()[0]

    def last_id(self) -> int:
        """The greatest id, 0 when the file is empty."""
        return self._db.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0]

    def open_events(self) -> dict[str, str]:
        """The payload (JSON) of the start of each open event, by the event's id."""
        return dict(self._db.execute("SELECT id, payload FROM open_events ORDER BY id"))

    def after(self, id: int, limit: int, without_topics: Collection[str] = ()) -> list[OutboxEvent]:
        """The oldest entries with an id greater than `id`, in order, `limit` at the most."""
        holes = ",".join("?" * len(without_topics))
        rows = self._db.execute(
            "SELECT id, topic, payload, time, CASE WHEN boot = ? THEN born_s END FROM events"
            f" WHERE id > ? AND topic NOT IN ({holes}) ORDER BY id LIMIT ?",
            (self._boot, id, *without_topics, limit),
        )
        return [OutboxEvent(*row) for row in rows]

    def commit(self, change: OutboxTransaction) -> tuple[int, int]:
        """Carries out one transaction, with one fsync.

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
                ((entry.id, entry.topic, entry.payload, entry.time, self._boot, entry.born_s) for entry in change.new),
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

    def make_room(self) -> None:
        """Gives up the reserve and moves the WAL into the database, so that the WAL's place can be used again."""
        self._reserve.unlink(missing_ok=True)
        self._db.execute("PRAGMA wal_checkpoint(RESTART)")

    def reserve(self) -> None:
        """Sets the reserve aside (again), where there is room for it."""
        try:
            fd = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, RESERVE_BYTES)
            finally:
                os.close(fd)
        except OSError as error:
            log.debug("no reserve beside %s: %s", self.path, error)
            self._reserve.unlink(missing_ok=True)

    def close(self) -> None:
        """Closes the file; errors do not matter any more, as everything that counts is committed."""
        try:
            self._db.close()
        except sqlite3.Error as error:
            log.debug("closing %s: %s", self.path, error)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file's content is wrong, not that the disk or its rights are."""
    return _primary(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_full(error: sqlite3.Error) -> bool:
    """Whether the disk has no room."""
    return _primary(error) == sqlite3.SQLITE_FULL


def set_aside(path: Path, why: str) -> None:
    """Renames the file and its WAL to a dated name and says so; the oldest of such files go.

    Raises:
        OSError: It cannot be renamed.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside, number = path.with_name(f"{path.name}.set-aside-{stamp}"), 1
    while aside.exists():
        aside, number = path.with_name(f"{path.name}.set-aside-{stamp}-{number}"), number + 1
    os.rename(path, aside)
    for suffix in ("-wal", "-journal"):
        if (beside := Path(f"{path}{suffix}")).exists():
            os.rename(beside, f"{aside}{suffix}")
    Path(f"{path}-shm").unlink(missing_ok=True)
    log.error("the outbox %s %s: it was set aside as %s, and a new one begun", path, why, aside.name)
    _forget_old(path)


def _opened(path: Path) -> sqlite3.Connection:
    db = _connected(path)
    try:
        return _with_schema(db, path)
    except BaseException:
        db.close()
        raise


def _with_schema(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    version, tables = _content(db)
    foreign = (
        f"was written by a newer version of this program ({version})"
        if version > VERSION
        else "is another program's file"
    )
    if version > VERSION or (version < VERSION and tables):
        db.close()
        set_aside(path, foreign)
        db = _connected(path)
        version, tables = _content(db)
    if not tables:
        db.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
    return db


def _connected(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
        problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise _damage(problem)
    except sqlite3.Error as error:
        db.close()
        if _primary(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise OutboxError(
                f"{path} is in use by another process: only one appliance can run in a state folder"
            ) from error
        raise
    return db


def _content(db: sqlite3.Connection) -> tuple[int, int]:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    return version, db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _damage(problem: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(problem)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _primary(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _forget_old(path: Path) -> None:
    found = sorted(path.parent.glob(f"{path.name}.set-aside-*Z*"), key=lambda file: file.stat().st_mtime)
    databases = [file for file in found if not file.name.endswith(("-wal", "-journal"))]
    for file in databases[:-_SET_ASIDE_AT_MOST]:
        for suffix in ("", "-wal", "-journal"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)
