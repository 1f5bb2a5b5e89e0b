"""Read the history while the daemon writes it; any thread may."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from appliance.errors import HistoryError
from appliance.history.database import HistoryDatabase
from appliance.history.pictures import PictureFolder
from appliance.history.recorder import DATABASE_NAME, PICTURES_NAME
from appliance.history.records import EventQuery, EventRecord

QUARTER_HOUR_S = 900.0


class History:
    """Reads the history in a folder; it is empty if there is none."""

    def __init__(self, folder: Path):
        """Set the folder; nothing is opened yet."""
        self._database = folder / DATABASE_NAME
        self._pictures = PictureFolder(folder / PICTURES_NAME)

    def select(self, query: EventQuery) -> list[EventRecord]:
        """Return events, newest first.

        Raises:
            HistoryError: The history cannot be read now.
        """
        with self._open() as database:
            return [] if database is None else database.select(query)

    def select_before(self, event_id: str, query: EventQuery) -> list[EventRecord] | None:
        """Return the events that precede an event; None if that event was removed.

        Raises:
            HistoryError: The history cannot be read now.
        """
        with self._open() as database:
            if database is None:
                return []
            event = database.find(event_id)
            if event is None:
                return None
            if query.before_s is not None and query.before_s <= event.started_s:
                return database.select(query)
            return database.select(replace(query, before_s=event.started_s, before_id=event.id))

    def find(self, event_id: str) -> EventRecord | None:
        """Return an event; None if there is none with this id.

        Raises:
            HistoryError: The history cannot be read now.
        """
        with self._open() as database:
            return None if database is None else database.find(event_id)

    def count_quarter_hours(self, start_s: float, end_s: float) -> list[tuple[int, str, int]]:
        """Return (quarter of an hour since the start, label, number of events) for a span of time.

        Raises:
            HistoryError: The history cannot be read now.
        """
        with self._open() as database:
            return [] if database is None else database.count_by_interval(start_s, end_s, QUARTER_HOUR_S)

    def list_labels(self) -> list[str]:
        """Return the labels that have events.

        Raises:
            HistoryError: The history cannot be read now.
        """
        with self._open() as database:
            return [] if database is None else database.list_labels()

    def read_picture(self, event_id: str) -> bytes | None:
        """Return the JPEG of an event; None if there is none."""
        return self._pictures.read(event_id)

    @contextmanager
    def _open(self) -> Iterator[HistoryDatabase | None]:
        try:
            database = HistoryDatabase(self._database, is_reader=True) if self._database.exists() else None
        except (sqlite3.Error, OSError) as error:
            # The recorder creates the file a moment before its tables.
            if "no such table" not in str(error):
                raise _describe(error) from error
            database = None
        if database is None:
            yield None
            return
        try:
            with closing(database):
                yield database
        except (sqlite3.Error, OSError) as error:
            raise _describe(error) from error


def _describe(error: Exception) -> HistoryError:
    return HistoryError(f"the history cannot be read now: {error}; try again")
