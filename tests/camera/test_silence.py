"""The limit of silence: it follows the rate of the source and the wanted rate."""

import pytest

from appliance.camera.silence import FIRST_LIMIT_S, SHORTEST_LIMIT_S, SilenceLimit


class Source:
    """A silence limit on a simulated clock."""

    def __init__(self, fps: float = 5.0):
        self.now_s = 100.0
        self.limit = SilenceLimit(fps, lambda: self.now_s)

    def send(self, count: int, gap_s: float) -> None:
        for _ in range(count):
            self.now_s += gap_s
            self.limit.note_arrival()


def test_first_picture_may_take_half_a_minute():
    source = Source()
    source.now_s += 35
    assert source.limit.remaining_s > 0
    source.now_s += FIRST_LIMIT_S
    assert source.limit.remaining_s < 0


def test_fast_source_is_silent_after_seconds():
    source = Source()
    source.send(50, 0.04)
    assert source.limit.limit_s == SHORTEST_LIMIT_S


@pytest.mark.parametrize("gap_s", [3, 10, 30, 120])
def test_slow_source_may_miss_two_pictures(gap_s):
    source = Source()
    source.send(10, gap_s)
    source.now_s += 2.5 * gap_s
    assert source.limit.remaining_s > 0
    source.now_s += max(gap_s, SHORTEST_LIMIT_S)
    assert source.limit.remaining_s < 0


def test_bursts_are_judged_by_the_pause_between_them():
    source = Source()
    for _ in range(30):
        source.send(1, 4.0)
        source.send(99, 0.0)
    assert source.limit.limit_s == 12


def test_pictures_that_were_held_back_show_their_own_rate():
    source = Source()
    for number in range(3):
        source.limit.note_arrival(media_s=10.0 * number)
    assert source.limit.limit_s == 30


def test_gap_is_forgotten_after_two_minutes_at_a_higher_rate():
    source = Source()
    source.send(3, 20.0)
    assert source.limit.limit_s == 60
    source.send(125 * 25, 0.04)
    assert source.limit.limit_s == SHORTEST_LIMIT_S


def test_low_wanted_rate_extends_the_limit():
    source = Source(fps=0.05)
    source.send(50, 0.04)
    assert source.limit.limit_s == 40
