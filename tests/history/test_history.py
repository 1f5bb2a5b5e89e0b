"""Reading the history: order, filters, pages, the strip of a day, and pictures."""

import pytest

from appliance.errors import HistoryError
from appliance.history.database import HistoryDatabase
from appliance.history.history import History
from appliance.history.recorder import DATABASE_NAME
from appliance.history.records import EventQuery, EventRecord


def record(number, label="rose", started_s=None):
    start_s = 1000.0 * number if started_s is None else started_s
    return EventRecord(
        f"b-{number}",
        label,
        0.9,
        0.9,
        start_s,
        start_s + 1,
        1.0,
        None,
        {"name": "m", "version": "1"},
        [(label, 0.9)],
        0,
    )


@pytest.fixture
def folder(tmp_path):
    database = HistoryDatabase(tmp_path / DATABASE_NAME)
    for number in range(1, 7):
        database.add(record(number, "rose" if number % 2 else "tulip"))
    database.close()
    return tmp_path


def ids(events):
    return [event.id for event in events]


def test_missing_history_is_empty(tmp_path):
    history = History(tmp_path / "none")
    assert history.select(EventQuery()) == [] and history.find("x") is None and history.list_labels() == []
    assert history.count_quarter_hours(0, 1e9) == [] and history.read_picture("x") is None
    assert history.select_before("x", EventQuery()) == []


def test_newest_events_come_first(folder):
    assert ids(History(folder).select(EventQuery(limit=3))) == ["b-6", "b-5", "b-4"]


def test_events_of_one_label(folder):
    assert ids(History(folder).select(EventQuery(label="rose"))) == ["b-5", "b-3", "b-1"]


def test_pages_follow_each_other_without_gap_or_repetition(folder):
    history = History(folder)
    database = HistoryDatabase(folder / DATABASE_NAME)
    for number in (7, 8, 9):  # three events of the same frame
        database.add(record(number, started_s=6000.0))
    database.close()
    found, page = [], history.select(EventQuery(limit=2))
    while page:
        found += ids(page)
        page = history.select_before(page[-1].id, EventQuery(limit=2))
    assert found == ["b-9", "b-8", "b-7", "b-6", "b-5", "b-4", "b-3", "b-2", "b-1"]


def test_there_is_no_page_before_a_removed_event(folder):
    assert History(folder).select_before("b-99", EventQuery(limit=1)) is None


def test_page_before_an_event_ends_at_the_earlier_of_both_limits(folder):
    assert ids(History(folder).select_before("b-5", EventQuery(before_s=4000))) == ["b-3", "b-2", "b-1"]
    assert ids(History(folder).select_before("b-3", EventQuery(before_s=9000))) == ["b-2", "b-1"]


def test_span_of_time(folder):
    assert ids(History(folder).select(EventQuery(since_s=2000, before_s=4000))) == ["b-3", "b-2"]


def test_quarter_hours_count_each_label(folder):
    assert History(folder).count_quarter_hours(0, 3600) == [(1, "rose", 1), (2, "tulip", 1), (3, "rose", 1)]


def test_labels_with_events(folder):
    assert History(folder).list_labels() == ["rose", "tulip"]


def test_file_that_is_no_history_is_reported(tmp_path):
    (tmp_path / DATABASE_NAME).write_text("not a database at all, but long enough to be read as one" * 20)
    with pytest.raises(HistoryError, match="cannot be read now"):
        History(tmp_path).select(EventQuery())


def test_event_as_json_has_times_in_utc():
    value = record(1).as_dict()
    assert (value["started"], value["ended"]) == ("1970-01-01T00:16:40.000Z", "1970-01-01T00:16:41.000Z")
    assert value["scores"] == [{"label": "rose", "score": 0.9}] and value["picture"] is False


def test_file_without_tables_yet_is_empty(tmp_path):
    (tmp_path / DATABASE_NAME).touch()
    assert History(tmp_path).select(EventQuery()) == []
