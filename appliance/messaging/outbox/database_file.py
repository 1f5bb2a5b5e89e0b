"""Open the SQLite database of the outbox, and set aside a file that cannot be used.

WAL with synchronous=FULL: one fsync per transaction, and committed data survives a power cut (NORMAL would not fsync at
commit). The process holds an exclusive lock on the file until it ends; SQLite then needs no shared-memory file, which
on a full disk would end the process with SIGBUS. A file that is damaged, or is not an outbox, is renamed to a dated
name together with its WAL instead of being deleted, and a new file is created.
"""

import logging
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from appliance.errors import OutboxError

log = logging.getLogger("appliance.mqtt")

VERSION = 1
"""PRAGMA user_version of the files that this program writes."""

_MAX_SET_ASIDE = 3
_PAGE_BYTES = 4096
_WAL_PAGES = 64  # at this size the WAL is checkpointed into the database
WAL_KEPT_BYTES = 2 * _WAL_PAGES * _PAGE_BYTES
"""The maximum size of a WAL file whose content is already in the database."""

_SCHEMA = f"""
CREATE TABLE events (
    id INTEGER PRIMARY KEY,     -- increases over the life of the device
    topic TEXT NOT NULL,
    payload TEXT NOT NULL,      -- JSON, as sent
    time REAL NOT NULL,         -- when the event happened, Unix time in seconds
    boot INTEGER NOT NULL,      -- number of the system boot in which the event was written
    born_s REAL NOT NULL        -- `time` in seconds since that boot, which corrections of the wall clock do not change
);
CREATE TABLE open_events (      -- events that started and have not ended
    id TEXT PRIMARY KEY,
    payload TEXT NOT NULL       -- payload of the start
) WITHOUT ROWID;
CREATE TABLE boot (number INTEGER PRIMARY KEY, id TEXT NOT NULL);
PRAGMA user_version = {VERSION};
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the outbox's database, or create it; set aside a file that is damaged or not an outbox.

    Raises:
        OutboxError: Another process uses the file.
        sqlite3.Error, OSError: The file can be neither opened nor created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open(path)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        set_aside(path, f"is damaged ({error})")
        return _open(path)


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether SQLite reports damaged content, as opposed to a problem with the disk or permissions."""
    return _primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_disk_full(error: sqlite3.Error) -> bool:
    """Return whether the disk has no free space."""
    return _primary_code(error) == sqlite3.SQLITE_FULL


def free_bytes(path: Path) -> int:
    """Return the free space on the disk of a file; 0 if its folder is missing."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return 0
    return disk.f_bavail * disk.f_frsize


def set_aside(path: Path, why: str) -> None:
    """Rename the file and its WAL to a dated name, log it, and delete the oldest renamed files.

    Args:
        path: The database.
        why: The predicate of the logged sentence, such as "is damaged".

    Raises:
        OSError: The file cannot be renamed.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside, count = path.with_name(f"{path.name}.set-aside-{stamp}"), 1
    while aside.exists():
        aside, count = path.with_name(f"{path.name}.set-aside-{stamp}-{count}"), count + 1
    path.rename(aside)
    for suffix in ("-wal", "-journal"):
        if (companion := Path(f"{path}{suffix}")).exists():
            companion.rename(f"{aside}{suffix}")
    Path(f"{path}-shm").unlink(missing_ok=True)
    log.error("the outbox %s %s; it was set aside as %s, and a new one was created", path, why, aside.name)
    _delete_old(path)


def _open(path: Path) -> sqlite3.Connection:
    db = _connect(path)
    try:
        return _ensure_schema(db, path)
    except BaseException:
        db.close()
        raise


def _ensure_schema(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    version, tables = _read_version(db)
    if version > VERSION or (version < VERSION and tables):
        newer = f"was written by a newer version of this program ({version})"
        db.close()
        set_aside(path, newer if version > VERSION else "belongs to another program")
        db = _connect(path)
        version, tables = _read_version(db)
    if not tables:
        db.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
    return db


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
        problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise _damage_error(problem)
    except sqlite3.Error as error:
        db.close()
        if _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise OutboxError(
                f"{path} is in use by another process; run only one appliance per state folder"
            ) from error
        raise
    return db


def _read_version(db: sqlite3.Connection) -> tuple[int, int]:
    """Return the schema's version and the number of tables and indexes."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    return version, db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _damage_error(problem: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(problem)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _primary_code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _delete_old(path: Path) -> None:
    files = sorted(path.parent.glob(f"{path.name}.set-aside-*Z*"), key=lambda file: file.stat().st_mtime)
    databases = [file for file in files if not file.name.endswith(("-wal", "-journal"))]
    for file in databases[:-_MAX_SET_ASIDE]:
        for suffix in ("", "-wal", "-journal"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)
