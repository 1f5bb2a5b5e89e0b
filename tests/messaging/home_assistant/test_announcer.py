"""Test when the device is announced to Home Assistant."""

from appliance.messaging.home_assistant.announcer import Announcer
from support.messaging import ManualTimers


def make_announcer():
    timers, times = ManualTimers(), []
    made = Announcer(lambda: times.append(timers.now_s), timers.start, timers.clock)
    return made, timers, times


def test_changes_in_a_row_are_announced_once():
    made, timers, times = make_announcer()
    made.announce_change()
    assert len(times) == 1  # at once, so that it precedes the states
    made.announce_change()
    timers.advance(1)
    made.announce_change()
    assert len(times) == 1
    timers.advance(10)
    assert len(times) == 2
    assert times[1] - times[0] >= 5
    timers.advance(1000)
    assert len(times) == 2


def test_home_assistants_start_is_answered_after_a_delay():
    delays = set()
    for _ in range(20):
        made, timers, times = make_announcer()
        made.handle_homeassistant_start()
        timers.advance(60)
        delays.add(round(times[0] - 1000, 3))
    assert len(delays) > 10
    assert min(delays) >= 1 and max(delays) <= 8


def test_a_change_does_not_wait_for_home_assistants_turn():
    made, timers, times = make_announcer()
    made.handle_homeassistant_start()
    made.announce_change()
    assert len(times) == 1
    timers.advance(60)
    assert len(times) == 1


def test_after_the_stop_nothing_is_announced():
    made, timers, times = make_announcer()
    made.announce_change()
    made.announce_change()
    made.stop()
    made.announce_change()
    timers.advance(60)
    assert len(times) == 1
