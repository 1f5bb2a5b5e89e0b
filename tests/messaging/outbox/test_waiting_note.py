"""The note that events wait: written rarely, and compared with the outbox at the next start."""

from pathlib import Path

import pytest

from appliance.messaging.outbox.waiting_note import AFTER_S, FILE_NAME, WaitingNote

OUTBOX = Path("outbox.sqlite3")


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def test_events_that_vanished_are_reported(tmp_path, clock, caplog):
    note = WaitingNote(tmp_path, clock)
    note.update(5)
    clock.now_s = AFTER_S
    note.update(7)
    WaitingNote(tmp_path).compare(OUTBOX, 8)
    assert caplog.text == ""
    WaitingNote(tmp_path).compare(OUTBOX, 0)
    assert "is empty, but 7 events were waiting" in caplog.text


def test_delivered_events_are_not_missed(tmp_path, clock, caplog):
    note = WaitingNote(tmp_path, clock)
    note.update(5)
    clock.now_s = AFTER_S
    note.update(5)
    note.update(0)
    WaitingNote(tmp_path).compare(OUTBOX, 0)
    note.finish(3)
    note = WaitingNote(tmp_path)
    note.finish(0)
    WaitingNote(tmp_path).compare(OUTBOX, 0)
    assert caplog.text == ""


def test_short_waits_write_nothing(tmp_path, clock):
    note = WaitingNote(tmp_path, clock)
    for second in range(100):
        clock.now_s = float(second)
        note.update(second % 10)
    note.finish(0)
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize("content", [b'{"waiting": "many"}', b'{"waiting": true}', b'{"waiting": -1}', b"[]"])
def test_damaged_note_counts_as_none(tmp_path, caplog, content):
    (tmp_path / FILE_NAME).write_bytes(content)
    WaitingNote(tmp_path).compare(OUTBOX, 0)
    assert "is empty" not in caplog.text and "cannot be used" in caplog.text


def test_folder_that_cannot_be_written_is_no_error(tmp_path):
    WaitingNote(tmp_path / "missing").finish(3)
