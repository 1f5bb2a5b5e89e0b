"""The table of events: damaged rows, files of other programs, and the end of events."""

import sqlite3
from pathlib import Path

import pytest

from appliance.history.database import HistoryDatabase
from appliance.history.records import EventQuery, EventRecord


def record(number, started_s=1000.0):
    return EventRecord(
        f"b-{number}", "rose", 0.9, 0.9, started_s, None, None, None, {"name": "m", "version": "1"}, [("rose", 0.9)], 7
    )


@pytest.fixture
def database(tmp_path):
    database = HistoryDatabase(tmp_path / "x.sqlite3")
    yield database
    database.close()


def test_event_is_found_as_it_was_added(database):
    database.add(record(1))
    assert database.find("b-1") == record(1) and database.find("b-2") is None
    assert database.measure() == (1, 7) and list(database.list_ids_with_pictures()) == ["b-1"]


def test_end_of_an_unknown_event_is_ignored(database):
    database.end("none", 1.0, 2.0, None, None)
    assert database.measure() == (0, 0)


def test_open_events_end_when_the_process_was_last_alive(database):
    database.add(record(1))
    database.note_alive(1234.5)
    assert database.end_unfinished() == 1
    assert (database.find("b-1").ended_s, database.find("b-1").reason) == (1234.5, "restart")


def test_open_events_are_never_the_oldest(database):
    database.add(record(1))
    database.add(record(2, 2000.0))
    database.end("b-2", 0.9, 2001.0, 1.0, None)
    assert [event_id for event_id, _ in database.list_oldest(9)] == ["b-2"]


def test_row_that_is_not_json_is_left_out(tmp_path, database):
    for number in (1, 2):
        database.add(record(number))
    with sqlite3.connect(tmp_path / "x.sqlite3") as connection:
        connection.execute("UPDATE events SET scores = '[[' WHERE id = 'b-1'")
    connection.close()
    assert [event.id for event in database.select(EventQuery())] == ["b-2"]


def test_file_of_a_later_version_is_kept_aside(tmp_path, caplog):
    path = Path(tmp_path / "later.sqlite3")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    HistoryDatabase(path).close()
    assert Path(f"{path}.damaged").exists() and "version is 99" in caplog.text


def test_file_of_version_1_is_read_and_its_events_are_the_oldest(tmp_path):
    path = tmp_path / "first.sqlite3"
    HistoryDatabase(path).close()
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "DROP INDEX events_by_addition; ALTER TABLE events DROP COLUMN added; PRAGMA user_version = 1;"
            "INSERT INTO events VALUES ('a-1', 'rose', 1, 1, 2000, 2001, 1, NULL, '{}', '[]', 5);"
        )
    connection.close()
    database = HistoryDatabase(path)
    database.add(record(1))
    database.end("b-1", 0.9, 1001.0, 1.0, None)
    assert [event_id for event_id, _ in database.list_oldest(9)] == ["a-1", "b-1"]
    assert [event.id for event in database.select(EventQuery())] == ["a-1", "b-1"]
    database.close()
