"""Open the SQLite database of the outbox, and set aside a file that cannot be used.

WAL with synchronous=FULL: one fsync per transaction, and committed data survives a power cut (NORMAL would not fsync at
commit). The process holds an exclusive lock on the file until it ends; SQLite then needs no shared-memory file, which
on a full disk would end the process with SIGBUS. A file that is damaged, or is not an outbox, is renamed to a dated
name together with its WAL instead of being deleted, and a new file is created with every event that can still be read
(salvage.py).
"""

import errno
import logging
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance.errors import OutboxError, describe_os_error
from appliance.messaging.outbox.salvage import salvage
from appliance.messaging.outbox.stored_rows import MAX_ID
from appliance.system.atomic_files import is_read_only
from appliance.system.foreign_text import clean_text
from appliance.system.regular_files import is_foreign

log = logging.getLogger("appliance.mqtt")

VERSION = 1
"""PRAGMA user_version of the files that this program writes."""

_MAX_SET_ASIDE = 3
_MAX_REASON = 200
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


# PRAGMA table_info of the tables: name, type, NOT NULL, primary key.
_COLUMNS = {
    "events": (
        (b"id", b"INTEGER", 0, 1),
        (b"topic", b"TEXT", 1, 0),
        (b"payload", b"TEXT", 1, 0),
        (b"time", b"REAL", 1, 0),
        (b"boot", b"INTEGER", 1, 0),
        (b"born_s", b"REAL", 1, 0),
    ),
    "open_events": ((b"id", b"TEXT", 1, 1), (b"payload", b"TEXT", 1, 0)),
    "boot": ((b"number", b"INTEGER", 0, 1), (b"id", b"TEXT", 1, 0)),
}
_COMPANIONS = ("-wal", "-journal", "-shm")


class _UnusableFileError(sqlite3.DatabaseError):
    """The file is not a usable outbox; the text is the predicate of the logged sentence, such as "is damaged"."""


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """An open database.

    Attributes:
        db: The connection; it returns text as bytes.
        unreadable: How many rows of a damaged file could not be used; 0 if the file was not damaged.
    """

    db: sqlite3.Connection
    unreadable: int = 0


def open_database(path: Path, damage: str | None = None) -> OpenedFile:
    """Open the outbox's database, or create it; replace a file that is damaged or not an outbox.

    Args:
        path: The database.
        damage: What was found to be wrong with the file while it was in use; None if nothing is known.

    Raises:
        OutboxError: Another process uses the file.
        sqlite3.Error, OSError: The file can be neither opened nor created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for companion in (Path(f"{path}{suffix}") for suffix in _COMPANIONS):
        if is_foreign(companion):
            _rename_aside(companion)
    if is_foreign(path) and not path.is_dir():  # SQLite would wait for ever for the other end of a FIFO
        set_aside(path, "is not a regular file")
    if damage is None:
        try:
            return OpenedFile(_open(path))
        except _UnusableFileError as error:
            damage = str(error)
        except sqlite3.DatabaseError as error:
            # A schema that is damaged can also lack a table or a column, which is the general SQLITE_ERROR.
            if not is_damage(error) and _primary_code(error) != sqlite3.SQLITE_ERROR:
                raise
            damage = f"is damaged ({error})"
    aside = set_aside(path, clean_text(damage, _MAX_REASON))
    db = _open(path)
    try:
        return OpenedFile(db, _salvage(aside, db))
    except BaseException:
        db.close()
        raise


def describe_unwritable(path: Path, error: sqlite3.Error | OSError) -> str:
    """Return a sentence that the outbox cannot be written, with the reason and the remedy."""
    reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
    if is_read_only(path.parent):  # SQLite reports it as an I/O error
        reason = os.strerror(errno.EROFS)
    elif _is_folder(path):
        reason = "a folder is in its place"
    return (
        f"the outbox {path} cannot be written ({reason}), so events wait in memory and are lost if the process ends;"
        " free space on the disk, or give the service write access to the folder"
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a link into a closed folder
        return False


def read_unwritable(path: Path, boot_id: str) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return the rows of a file that can be read but not written, so that its events can be delivered from memory.

    Args:
        path: The database; it is not changed.
        boot_id: Identifies this boot of the system.

    Returns:
        The events, for parse_event_row, and the open events, for parse_open_row.

    Raises:
        sqlite3.Error, OSError: The file cannot be read.
    """
    if is_foreign(path):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.text_factory = bytes
        db.executescript(_SCHEMA)
        salvage(path, db)
        same_boot = "boot = (SELECT max(number) FROM boot WHERE id = ?)"
        events = f"SELECT id, topic, payload, time, CASE WHEN {same_boot} THEN born_s END FROM events ORDER BY id"  # noqa: S608 - constants
        return db.execute(events, (boot_id,)).fetchall(), db.execute("SELECT * FROM open_events").fetchall()


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


def set_aside(path: Path, why: str) -> Path:
    """Rename the file and its WAL to a dated name, log it, and delete the oldest renamed files.

    Args:
        path: The database.
        why: The predicate of the logged sentence, such as "is damaged".

    Returns:
        The new path.

    Raises:
        OSError: The file cannot be renamed.
    """
    aside = _rename_aside(path)
    for suffix in ("-wal", "-journal"):
        if (companion := Path(f"{path}{suffix}")).exists():
            companion.rename(f"{aside}{suffix}")
    Path(f"{path}-shm").unlink(missing_ok=True)
    log.error("the outbox %s %s; it was set aside as %s, and a new one was created", path, why, aside.name)
    _delete_old(path)
    return aside


def _rename_aside(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside, count = path.with_name(f"{path.name}.set-aside-{stamp}"), 1
    while aside.exists():
        aside, count = path.with_name(f"{path.name}.set-aside-{stamp}-{count}"), count + 1
    return path.rename(aside)


def _salvage(aside: Path, db: sqlite3.Connection) -> int:
    """Copy the readable rows of a file that was set aside; return how many rows cannot be used."""
    try:
        result = salvage(aside, db)
    except (sqlite3.Error, OSError) as error:
        log.error("the events in %s cannot be copied to the new outbox (%s)", aside, error)
        return 0
    if result.events or result.unreadable:
        log.warning(
            "%d events were read from %s and will be delivered; %d rows there cannot be used",
            result.events,
            aside.name,
            result.unreadable,
        )
    return result.unreadable


def _open(path: Path) -> sqlite3.Connection:
    db = _connect(path)
    try:
        return _ensure_schema(db, path)
    except BaseException:
        db.close()
        raise


def _ensure_schema(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Create the tables in an empty file; check those of another.

    Raises:
        sqlite3.DatabaseError: The file is not an outbox of this version; `str(error)` is the predicate for the log.
    """
    version, tables = _read_version(db)
    if version > VERSION:
        raise _UnusableFileError(f"was written by a newer version of this program ({version})")
    if version < VERSION and tables:
        raise _UnusableFileError("belongs to another program")
    if not tables:
        db.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
    for table, columns in _COLUMNS.items():
        found = tuple((row[1], row[2], row[3], row[5]) for row in db.execute(f"PRAGMA table_info({table})"))
        if found != columns:
            raise _UnusableFileError(f"is damaged (its table {table} has other columns)")
    lowest, highest = db.execute("SELECT min(id), max(id) FROM events").fetchone()
    if lowest is not None and not 0 < lowest <= highest <= MAX_ID:
        raise _UnusableFileError("is damaged (an id is out of range)")
    return db


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    db.text_factory = bytes  # sqlite3 raises an error for text that is not UTF-8, which a damaged row may contain
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
        problem = db.execute("PRAGMA quick_check(1)").fetchone()[0].decode(errors="replace")
        if problem != "ok":
            raise _UnusableFileError(f"is damaged ({problem})")
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


def _primary_code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _delete_old(path: Path) -> None:
    files = sorted(path.parent.glob(f"{path.name}.set-aside-*Z*"), key=lambda file: file.stat().st_mtime)
    databases = [file for file in files if not file.name.endswith(("-wal", "-journal"))]
    for file in databases[:-_MAX_SET_ASIDE]:
        for suffix in ("", "-wal", "-journal"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)
