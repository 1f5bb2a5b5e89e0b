"""The table of events: one SQLite file, which can be lost without losing an event on its way to the broker.

WAL with synchronous=NORMAL: a kill loses nothing, and a power cut may lose the last events of the history, but never
damages the file. A file that is damaged, or is not a history, is renamed to NAME.damaged, and a new one begins.
"""

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from appliance.history.records import EventQuery, EventRecord

log = logging.getLogger("appliance.history")

VERSION = 2
"""PRAGMA user_version of the files that this program writes."""

_SCHEMA = f"""
CREATE TABLE events (
    id TEXT PRIMARY KEY,
    label TEXT NOT NULL,
    score REAL NOT NULL,
    peak_score REAL NOT NULL,
    started_s REAL NOT NULL,       -- Unix time
    ended_s REAL,
    duration_s REAL,
    reason TEXT,
    model TEXT NOT NULL,           -- JSON: name, version
    scores TEXT NOT NULL,          -- JSON: [[label, score], …], best first
    picture_bytes INTEGER NOT NULL,
    added INTEGER NOT NULL         -- counts up; unlike started_s, a step of the clock does not change the order
) WITHOUT ROWID;
CREATE INDEX events_by_time ON events (started_s, id);
CREATE INDEX events_by_label ON events (label, started_s, id);
CREATE INDEX events_by_addition ON events (added);
CREATE TABLE alive (one INTEGER PRIMARY KEY CHECK (one = 1), time_s REAL NOT NULL);
PRAGMA user_version = {VERSION};
"""
_FROM_VERSION_1 = """
ALTER TABLE events ADD COLUMN added INTEGER NOT NULL DEFAULT 0;
UPDATE events SET added = CAST(started_s AS INTEGER);
CREATE INDEX events_by_addition ON events (added);
PRAGMA user_version = 2;
"""
# Interpolated into statements: a constant, so no input can change them.
_COLUMNS = "id, label, score, peak_score, started_s, ended_s, duration_s, reason, model, scores, picture_bytes"
_SUFFIXES = ("", "-wal", "-shm", "-journal")


class HistoryDatabase:
    """The open file. Belongs to one thread; readers open their own with `is_reader`."""

    def __init__(self, path: Path, is_reader: bool = False):
        """Open the file, or create it.

        Args:
            path: The file.
            is_reader: Whether to open an existing file for reading only.

        Raises:
            sqlite3.Error, OSError: The file cannot be opened or created.
        """
        self._path = path
        self._connection = _open_reader(path) if is_reader else _open_writer(path)

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def add(self, event: EventRecord) -> None:
        """Add an event, or replace the one with its id."""
        values = (
            event.id, event.label, event.score, event.peak_score, event.started_s, event.ended_s, event.duration_s,
            event.reason, json.dumps(dict(event.model)), json.dumps([list(item) for item in event.scores]),
            event.picture_bytes,
        )  # fmt: skip
        statement = (
            f"INSERT OR REPLACE INTO events ({_COLUMNS}, added) VALUES (?,?,?,?,?,?,?,?,?,?,?, "  # noqa: S608 - constant
            "(SELECT coalesce(max(added), 0) + 1 FROM events))"
        )
        with self._connection:
            self._connection.execute(statement, values)

    def end(
        self, event_id: str, peak_score: float, ended_s: float, duration_s: float | None, reason: str | None
    ) -> None:
        """Record the end of an event; an unknown event is ignored."""
        with self._connection:
            self._connection.execute(
                "UPDATE events SET peak_score = ?, ended_s = ?, duration_s = ?, reason = ? WHERE id = ?",
                (peak_score, ended_s, duration_s, reason, event_id),
            )

    def note_alive(self, time_s: float) -> None:
        """Record that the events that are open now lasted at least until this time."""
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO alive VALUES (1, ?)", (time_s,))

    def end_unfinished(self) -> int:
        """End the events that were open when an earlier process died; return their number."""
        with self._connection:
            return self._connection.execute(
                "UPDATE events SET reason = 'restart', "
                "ended_s = max(started_s, coalesce((SELECT time_s FROM alive), started_s)) WHERE ended_s IS NULL"
            ).rowcount

    def find(self, event_id: str) -> EventRecord | None:
        """Return an event; None if there is none with this id."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM events WHERE id = ?", (event_id,)).fetchall()  # noqa: S608 - constant
        return _parse(rows[0]) if rows else None

    def select(self, query: EventQuery) -> list[EventRecord]:
        """Return events, newest first."""
        conditions: list[str] = ["1"]
        values: list[str | float] = []
        if query.label is not None:
            conditions.append("label = ?")
            values.append(query.label)
        if query.since_s is not None:
            conditions.append("started_s >= ?")
            values.append(query.since_s)
        if query.before_s is not None:
            conditions.append("(started_s, id) < (?, ?)")
            values += [query.before_s, query.before_id]
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM events WHERE {' AND '.join(conditions)} ORDER BY started_s DESC, id DESC LIMIT ?",  # noqa: S608 - constant
            (*values, query.limit),
        )
        return [event for row in rows if (event := _parse(row))]

    def count_by_interval(self, start_s: float, end_s: float, interval_s: float) -> list[tuple[int, str, int]]:
        """Return (index of the interval, label, number of events) of the events that started in a span of time."""
        return self._connection.execute(
            "SELECT CAST((started_s - ?) / ? AS INTEGER) AS part, label, count(*) FROM events "
            "WHERE started_s >= ? AND started_s < ? GROUP BY part, label ORDER BY part, label",
            (start_s, interval_s, start_s, end_s),
        ).fetchall()

    def list_labels(self) -> list[str]:
        """Return the labels that have events, in alphabetical order."""
        return [label for (label,) in self._connection.execute("SELECT DISTINCT label FROM events ORDER BY label")]

    def measure(self) -> tuple[int, int]:
        """Return the number of events, and the bytes of their pictures."""
        count, size = self._connection.execute(
            "SELECT count(*), coalesce(sum(picture_bytes), 0) FROM events"
        ).fetchone()
        return int(count), int(size)

    def list_oldest(self, limit: int) -> list[tuple[str, int]]:
        """Return (id, bytes of the picture) of the events that were added first and have ended."""
        return self._connection.execute(
            "SELECT id, picture_bytes FROM events WHERE ended_s IS NOT NULL ORDER BY added LIMIT ?", (limit,)
        ).fetchall()

    def list_aged(self, before_s: float, limit: int) -> list[tuple[str, int]]:
        """Return (id, bytes of the picture) of events that have ended, and started before a Unix time."""
        return self._connection.execute(
            "SELECT id, picture_bytes FROM events WHERE started_s < ? AND ended_s IS NOT NULL LIMIT ?",
            (before_s, limit),
        ).fetchall()

    def remove(self, ids: list[str]) -> None:
        """Remove events."""
        with self._connection:
            self._connection.executemany("DELETE FROM events WHERE id = ?", [(event_id,) for event_id in ids])

    def forget_pictures(self) -> None:
        """Record that no event has a picture any more."""
        with self._connection:
            self._connection.execute("UPDATE events SET picture_bytes = 0")

    def list_ids_with_pictures(self) -> Iterator[str]:
        """Yield the ids of the events that have a picture."""
        for (event_id,) in self._connection.execute("SELECT id FROM events WHERE picture_bytes > 0"):
            yield event_id


def _parse(row: tuple[Any, ...]) -> EventRecord | None:
    """Return the record of a row; None if its JSON is damaged."""
    *_, model, scores, _ = row
    try:
        pairs = [(str(label), float(score)) for label, score in json.loads(str(scores))]
        names = {str(key): str(value) for key, value in json.loads(str(model)).items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    event_id, label, score, peak_score, started_s, ended_s, duration_s, reason = row[:8]
    return EventRecord(
        event_id, label, score, peak_score, started_s, ended_s, duration_s, reason, names, pairs, row[10]
    )  # fmt: skip


def _open_writer(path: Path) -> sqlite3.Connection:
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # a full disk, a lock, missing rights: the file may be good
            raise
        log.warning(
            "the history %s is damaged (%s); it is kept as %s.damaged, and a new one begins", path, error, path.name
        )
        for suffix in _SUFFIXES:
            with suppress(FileNotFoundError):
                Path(f"{path}{suffix}").rename(f"{path}.damaged{suffix}")
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=2.0, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        with closing(connection.execute("PRAGMA user_version")) as cursor:
            (version,) = cursor.fetchone()
        if version == 0:
            connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        elif version == 1:
            connection.executescript(f"BEGIN; {_FROM_VERSION_1} COMMIT;")
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"its version is {version}")
        with closing(connection.execute("PRAGMA quick_check(1)")) as cursor:
            (result,) = cursor.fetchone()
        if result != "ok":
            raise sqlite3.DatabaseError(str(result))
        connection.execute(f"SELECT {_COLUMNS} FROM events LIMIT 1").fetchall()  # noqa: S608 - constant
    except BaseException:
        connection.close()
        raise
    return connection


def _open_reader(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2.0, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("SELECT id FROM events LIMIT 1").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection
