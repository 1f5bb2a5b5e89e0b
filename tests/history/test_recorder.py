"""The recorder: events with pictures, limits, kills, and disks that fail."""

import numpy as np
import pytest

from appliance.bundle.identity import ModelIdentity
from appliance.history.database import HistoryDatabase
from appliance.history.history import History
from appliance.history.recorder import DATABASE_NAME, HistoryRecorder, StartedEvent, remove_history
from appliance.history.records import EventQuery
from appliance.imaging.files import read_picture
from appliance.labeling.tracker import Event
from appliance.settings.schema import HistorySettings
from support.broker import wait_until

MODEL = ModelIdentity("flowers", "1.0", "ab" * 32)
DAY_S = 86_400.0
NOW_S = 1_800_000_000.0


def started(number, label="rose", started_s=NOW_S, picture=None):
    event = Event(f"boot-{number}", "started", label, 0.9, 0.9, started_s)
    pixels = np.full((480, 1280, 3), number % 256, np.uint8)
    return StartedEvent(event, MODEL, [(label, 0.9), ("tulip", 0.05)], picture or (lambda: pixels))


def ended(number, label="rose", ended_s=NOW_S + 5, reason=None):
    return Event(f"boot-{number}", "ended", label, 0.6, 0.95, NOW_S, ended_s, reason, 5.0)


@pytest.fixture
def make(tmp_path):
    """Return a function that starts a recorder on one folder; every recorder is stopped at the end."""
    recorders = []

    def start(now_s=NOW_S, **settings):
        recorder = HistoryRecorder(tmp_path / "history", HistorySettings(**settings), lambda: now_s)
        recorder.start()
        recorders.append(recorder)
        return recorder

    yield start
    for recorder in recorders:
        recorder.stop(10)


def read(tmp_path, **query):
    return History(tmp_path / "history").select(EventQuery(**query))


def _has_ended(tmp_path, event_id):
    return any(event.id == event_id and event.ended_s is not None for event in read(tmp_path, limit=1))


def test_event_is_recorded_with_its_picture_and_end(make, tmp_path):
    recorder = make()
    recorder.record_started(started(1))
    recorder.record_ended(ended(1))
    recorder.stop(10)
    (event,) = read(tmp_path)
    assert (event.label, event.score, event.peak_score, event.duration_s) == ("rose", 0.9, 0.95, 5.0)
    assert event.scores == [("rose", 0.9), ("tulip", 0.05)] and event.model == {"name": "flowers", "version": "1.0"}
    jpeg = History(tmp_path / "history").read_picture("boot-1")
    (tmp_path / "seen.jpg").write_bytes(jpeg)
    assert read_picture(tmp_path / "seen.jpg").shape == (240, 640, 3)


def test_event_is_open_until_it_ends(make, tmp_path):
    recorder = make()
    recorder.record_started(started(1))
    recorder.stop(10)
    (event,) = read(tmp_path)
    assert event.ended_s is None and event.as_dict()["ended"] is None


def test_event_of_a_killed_process_is_ended_at_the_next_start(make, tmp_path):
    recorder = make()
    recorder.record_started(started(1))
    recorder.stop(10)  # as after a kill: the event has not ended
    database = HistoryDatabase(tmp_path / "history" / DATABASE_NAME)
    database.note_alive(NOW_S + 60)
    database.close()
    make(NOW_S + 120).stop(10)
    (event,) = read(tmp_path)
    assert (event.reason, event.ended_s) == ("restart", NOW_S + 60)
    again = make(NOW_S + 120)
    again.record_ended(ended(1, ended_s=NOW_S + 61, reason="restart"))  # the time of its last frame is known
    again.stop(10)
    (event,) = read(tmp_path)
    assert (event.reason, event.ended_s, event.duration_s) == ("restart", NOW_S + 61, 5.0)


def test_oldest_events_are_removed_beyond_the_limits(make, tmp_path):
    recorder = make(max_events=10)
    for number in range(25):
        recorder.record_started(started(number, started_s=NOW_S + number))
        recorder.record_ended(ended(number))
        recorder.delete_pictures() if number == 3 else None
        # The queue is short: with too many frames in it, an event is kept without its picture.
        wait_until(lambda event_id=f"boot-{number}": _has_ended(tmp_path, event_id), "the event is written")
    recorder.stop(10)
    assert [event.id for event in read(tmp_path)] == [f"boot-{number}" for number in range(24, 14, -1)]
    files = {file.stem for file in (tmp_path / "history/pictures").rglob("*.jpg")}
    assert files == {f"boot-{number}" for number in range(15, 25)}


def test_clock_that_was_ahead_does_not_make_new_events_the_oldest(make, tmp_path):
    recorder = make(max_events=2)
    for number, started_s in enumerate((NOW_S + 900 * DAY_S, NOW_S + 900 * DAY_S, NOW_S, NOW_S + 1)):
        recorder.record_started(started(number, started_s=started_s))
        recorder.record_ended(ended(number))
    recorder.stop(10)
    assert [event.id for event in read(tmp_path)] == ["boot-3", "boot-2"]


def test_bytes_of_pictures_are_limited(make, tmp_path):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (480, 640, 3), np.uint8)
    recorder = make(max_bytes=500_000)
    for number in range(12):
        recorder.record_started(started(number, started_s=NOW_S + number, picture=lambda: pixels))
        recorder.record_ended(ended(number))
    recorder.stop(10)
    events = read(tmp_path)
    assert 0 < sum(event.picture_bytes for event in events) <= 500_000
    assert events[0].id == "boot-11" and all(event.picture_bytes for event in events)


def test_old_events_are_removed_at_the_start(make, tmp_path):
    recorder = make(max_age_days=2)
    recorder.record_started(started(1, started_s=NOW_S - DAY_S))
    recorder.record_ended(ended(1))
    recorder.stop(10)
    make(NOW_S + 2 * DAY_S, max_age_days=2).stop(10)
    assert read(tmp_path) == []


def test_pictures_can_be_left_out(make, tmp_path):
    recorder = make(pictures=False)
    recorder.record_started(started(1))
    recorder.stop(10)
    assert read(tmp_path)[0].picture_bytes == 0 and not (tmp_path / "history/pictures").exists()


def test_pictures_are_deleted_and_events_stay(make, tmp_path):
    recorder = make()
    recorder.record_started(started(1))
    assert recorder.delete_pictures()
    (event,) = read(tmp_path)
    assert event.picture_bytes == 0 and History(tmp_path / "history").read_picture("boot-1") is None


def test_deleted_event_is_gone_with_its_picture_and_others_stay(make, tmp_path):
    recorder = make()
    recorder.record_started(started(1))
    recorder.record_started(started(2))
    assert recorder.delete_event("boot-1") and recorder.delete_event("unknown")
    assert [event.id for event in read(tmp_path)] == ["boot-2"]
    assert [file.stem for file in (tmp_path / "history/pictures").rglob("*.jpg")] == ["boot-2"]
    recorder.record_ended(ended(1))  # it was open
    recorder.stop(10)
    assert [event.id for event in read(tmp_path)] == ["boot-2"]


def test_failing_disk_is_reported_once_and_blocks_nothing(tmp_path, caplog):
    (tmp_path / "history").write_text("a file in the folder's place")
    recorder = HistoryRecorder(tmp_path / "history", HistorySettings())
    recorder.start()
    for number in range(500):
        recorder.record_started(started(number))
        recorder.record_ended(ended(number))
    assert not recorder.delete_event("boot-1")  # at once, not after the limit
    recorder.stop(10)
    assert len([record for record in caplog.records if "cannot be written" in record.message]) == 1
    assert "history" in recorder.error


def test_damaged_file_is_kept_aside(make, tmp_path, caplog):
    folder = tmp_path / "history"
    folder.mkdir()
    (folder / DATABASE_NAME).write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    recorder = make()
    recorder.record_started(started(1))
    recorder.stop(10)
    assert len(read(tmp_path)) == 1 and (folder / f"{DATABASE_NAME}.damaged").exists()
    assert "damaged" in caplog.text


def test_leftover_of_a_kill_is_swept(make, tmp_path):
    recorder = make()
    recorder.record_started(started(1))
    recorder.stop(10)
    leftover = tmp_path / "history/pictures/bo/.boot-9.jpg.x7"
    leftover.write_bytes(b"half")
    make().stop(10)
    assert not leftover.exists() and History(tmp_path / "history").read_picture("boot-1")


def test_removed_history_leaves_nothing(make, tmp_path):
    recorder = make()
    recorder.record_started(started(1))
    recorder.stop(10)
    remove_history(tmp_path / "history")
    assert list((tmp_path / "history").iterdir()) == []
    remove_history(tmp_path / "history")
