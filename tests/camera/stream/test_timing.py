"""Timing of streams: when key frames suffice, and how files are told from live streams."""

import pytest

from appliance.camera.stream import timing
from appliance.camera.stream.timing import KeyFrameSchedule, Pace


@pytest.mark.parametrize(
    ("fps", "interval_s", "is_key_only"), [(0.2, 4, True), (0.5, 2, True), (1, 1, True), (0.4, 4, False), (5, 1, False)]
)
def test_key_frames_suffice_for_periods_of_their_interval(fps, interval_s, is_key_only):
    schedule = KeyFrameSchedule(fps)
    for number in range(4):
        schedule.note_key_frame(100.0 + number * interval_s)
    assert schedule.is_key_only == is_key_only


def test_first_interval_is_awaited_only_at_higher_rates():
    slow, fast = KeyFrameSchedule(0.2), KeyFrameSchedule(5)
    slow.note_key_frame(0)
    fast.note_key_frame(0)
    assert slow.is_key_only and not fast.is_key_only


class Played:
    """A pace on a simulated clock."""

    def __init__(self, monkeypatch, is_playlist=False):
        self.now_s = 500.0
        monkeypatch.setattr(timing.time, "monotonic", lambda: self.now_s)
        self.pace = Pace(is_playlist)

    def receive(self, media_s, after_s=0.0):
        """Return how long the packet is held back, and let that time pass."""
        self.now_s += after_s
        wait_s = self.pace.wait_s(media_s)
        self.now_s += wait_s
        return wait_s


def test_live_stream_is_never_held_back(monkeypatch):
    played = Played(monkeypatch)
    assert [played.receive(10 + 0.04 * number, 0.04) for number in range(200)] == [0] * 200
    assert not played.pace.is_file


def test_file_is_held_back_to_real_time(monkeypatch):
    played = Played(monkeypatch)
    for number in range(1000):
        played.receive(0.04 * number)
    assert 40 - timing.LIVE_LEAD_S - 1 < played.now_s - 500 < 40
    assert played.pace.is_file


def test_short_file_is_a_file(monkeypatch):
    played = Played(monkeypatch)
    for number in range(30):
        played.receive(0.04 * number)
    assert played.pace.is_file


def test_segments_of_a_playlist_are_played_evenly(monkeypatch):
    played = Played(monkeypatch, is_playlist=True)
    waits = [played.receive(0.04 * number) for number in range(300)]
    assert max(waits) < 0.05 and not played.pace.is_file


def test_jump_of_the_timestamps_is_no_wait(monkeypatch):
    played = Played(monkeypatch, is_playlist=True)
    played.receive(0.0)
    assert played.receive(50_000.0) == 0
    assert played.receive(10.0) == 0
