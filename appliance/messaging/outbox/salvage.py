"""Read what is left of a damaged outbox file into a new one.

SQLite stops reading a table at the first damaged page. So a table is read from its start to the damage, then from its
end back to the damage. The first page holds the header and the schema, which are the same in every outbox; if they are
damaged, those of the new file are used. All of this happens on a copy, so the damaged file stays as it was found.
"""

import logging
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.messaging.outbox.stored_rows import (
    MAX_ID,
    UnreadableRow,
    UnreadableRowError,
    is_boot_number,
    parse_event_row,
    parse_open_row,
)

log = logging.getLogger("appliance.mqtt")

_PAGE_BYTES = 4096
_COPY_PREFIX = ".outbox-copy-"
_MAX_SKIPPED = 64  # consecutive ids that are tried behind a damaged row, before reading from the other end
_EVENTS_QUERY = "SELECT id, topic, payload, time, born_s, boot FROM events"
_OPEN_QUERY = "SELECT id, payload FROM open_events"
_INSERT = "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?)"
_PAGE_COUNT_OFFSET = 28  # of the number of pages, 4 bytes, big-endian (sqlite.org/fileformat.html, 1.3)


@dataclass(slots=True)
class Salvage:
    """What was read from a damaged file.

    Attributes:
        events: How many events are in the new file.
        unreadable: How many rows were found that cannot be used.
    """

    events: int = 0
    unreadable: int = 0


def salvage(damaged: Path, db: sqlite3.Connection) -> Salvage:
    """Copy the rows that can be read into a new, empty database, in one transaction.

    Args:
        damaged: The damaged file; its WAL may be beside it.
        db: The new database.

    Raises:
        sqlite3.Error, OSError: The rows cannot be written.
    """
    result = Salvage()
    for leftover in damaged.parent.glob(f"{_COPY_PREFIX}*"):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_COPY_PREFIX, dir=_find_space(damaged)) as folder:
        copy = Path(folder) / "copy"
        _copy(damaged, copy)
        try:
            source = _open_copy(copy, _read_first_page(db))
        except sqlite3.Error as error:
            log.debug("nothing can be read from %s: %s", damaged, error)
            return result
        with closing(source):
            db.execute("BEGIN IMMEDIATE")
            try:
                _copy_events(source, db, result)
                _copy_open_events(source, db, result)
                _copy_boot(source, db)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
    return result


def _find_space(damaged: Path) -> Path | None:
    """Return the folder for the copy: that of the file if there is space, else None for the system's."""
    size_bytes = damaged.stat().st_size
    if not os.access(damaged.parent, os.W_OK):
        return None
    return damaged.parent if shutil.disk_usage(damaged.parent).free > 3 * size_bytes else None


def _copy(damaged: Path, copy: Path) -> None:
    shutil.copyfile(damaged, copy)
    wal = Path(f"{damaged}-wal")
    if wal.is_file():
        shutil.copyfile(wal, f"{copy}-wal")


def _open_copy(copy: Path, first_page: bytes) -> sqlite3.Connection:
    try:
        return _open(copy)
    except sqlite3.Error as error:
        log.debug("reading %s with the first page of a new file: %s", copy, error)
    Path(f"{copy}-wal").unlink(missing_ok=True)
    with copy.open("r+b") as file:
        pages = copy.stat().st_size // _PAGE_BYTES
        file.write(first_page)
        file.seek(_PAGE_COUNT_OFFSET)
        file.write(pages.to_bytes(4, "big"))
    return _open(copy)


def _open(copy: Path) -> sqlite3.Connection:
    db = sqlite3.connect(copy, isolation_level=None)
    db.text_factory = bytes
    try:
        db.execute("PRAGMA cell_size_check = ON")
        for query in (
            _EVENTS_QUERY,
            _OPEN_QUERY,
        ):
            db.execute(f"{query} LIMIT 0").fetchall()
    except BaseException:
        db.close()
        raise
    return db


def _read_first_page(db: sqlite3.Connection) -> bytes:
    """Return the first page of a database with the schema of `db` and no rows."""
    with closing(sqlite3.connect(":memory:")) as empty:
        empty.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rootpage"):
            empty.execute(sql.decode() if isinstance(sql, bytes) else sql)
        return empty.serialize()[:_PAGE_BYTES]


def _read_events(source: sqlite3.Connection, result: Salvage) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the table of events, each once, as far as they can be read; count interruptions.

    Behind a damaged row, reading continues with the next ids; if that fails, from the end of the table.

    Args:
        source: The damaged database.
        result: Counts an interruption as a row that cannot be used, because it hides at least one.
    """
    seen: set[int] = set()  # hashes of whole rows: a damaged id can be equal to another one
    after, attempts, interruptions, is_alone = 0, _MAX_SKIPPED, 0, False
    while attempts:
        # sqlite3 reads one row ahead, so after an interruption the row before the damage must be read alone.
        query = f"{_EVENTS_QUERY} WHERE id > {after} ORDER BY id{' LIMIT 1' if is_alone else ''}"
        before = after
        try:
            for row in source.execute(query if after else f"{_EVENTS_QUERY} ORDER BY id"):
                after = max(after, row[0])
                if hash(row) not in seen:
                    seen.add(hash(row))
                    yield row
            if not is_alone or after == before:
                break
            is_alone, attempts = False, _MAX_SKIPPED
        except sqlite3.Error as error:
            log.debug("reading stopped after %d rows: %s", len(seen), error)
            if is_alone:
                interruptions += attempts == _MAX_SKIPPED
                after, attempts = after + 1, attempts - 1
            else:
                interruptions, is_alone = max(1, interruptions), True
    result.unreadable += interruptions
    if not attempts:
        yield from _read_backward(source, seen)


def _read_backward(source: sqlite3.Connection, seen: set[int]) -> Iterator[tuple[Any, ...]]:
    """Yield the events from the end of the table back to those that were seen, or to the next damage."""
    try:
        for row in source.execute(f"{_EVENTS_QUERY} ORDER BY id DESC"):
            if hash(row) in seen:
                return
            yield row
    except sqlite3.Error as error:
        log.debug("reading backward stopped: %s", error)


def _copy_events(source: sqlite3.Connection, db: sqlite3.Connection, result: Salvage) -> None:
    last_id = 0
    for id, *values, boot in _read_events(source, result):
        event = parse_event_row((id, *values))
        if isinstance(event, UnreadableRow):
            result.unreadable += 1
            continue
        born_s, boot_number = (event.born_s, boot) if event.born_s is not None and is_boot_number(boot) else (0.0, 0)
        content = event.topic, event.payload, event.time, boot_number, born_s
        if 0 < id <= MAX_ID and db.execute(_INSERT, (id, *content)).rowcount:
            last_id = max(last_id, id)
        else:
            last_id += 1
            db.execute(_INSERT, (last_id, *content))
        result.events += 1


def _copy_open_events(source: sqlite3.Connection, db: sqlite3.Connection, result: Salvage) -> None:
    try:
        for row in source.execute(_OPEN_QUERY):
            try:
                db.execute("INSERT OR IGNORE INTO open_events VALUES (?, ?)", parse_open_row(row))
            except UnreadableRowError:
                result.unreadable += 1
    except sqlite3.Error as error:
        log.debug("reading the open events stopped: %s", error)
        result.unreadable += 1


def _copy_boot(source: sqlite3.Connection, db: sqlite3.Connection) -> None:
    try:
        row = source.execute("SELECT number, id FROM boot ORDER BY number DESC LIMIT 1").fetchone()
    except sqlite3.Error:
        return
    if row and is_boot_number(row[0]) and isinstance(row[1], bytes):
        db.execute("INSERT INTO boot VALUES (?, ?)", (row[0], row[1].decode(errors="replace")))
