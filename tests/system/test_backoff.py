"""Back-off: it doubles, is bounded and spread, and respects the wait that the server asks for."""

import pytest

from appliance.system.backoff import BackOff


def waits(back_off, count):
    return [back_off.next_s() for _ in range(count)]


def test_wait_doubles_up_to_the_longest():
    assert waits(BackOff(1, 10, random=lambda: 0.5), 6) == [1, 2, 4, 8, 10, 10]


@pytest.mark.parametrize(("random", "first_s"), [(0.0, 7.5), (1.0, 12.5)])
def test_jitter_is_a_quarter_either_way(random, first_s):
    assert BackOff(10, 100, random=lambda: random).next_s() == first_s


@pytest.mark.parametrize(("random", "expected_s"), [(0.0, [5, 10, 15, 15]), (1.0, [15, 30, 45, 45])])
def test_jitter_can_be_chosen_and_spreads_the_longest_wait_too(random, expected_s):
    assert waits(BackOff(10, 30, jitter=(0.5, 1.5), random=lambda: random), 4) == expected_s


def test_limit_holds_after_jitter():
    assert waits(BackOff(10, 30, jitter=(0.5, 1.5), random=lambda: 1.0, limit_s=30), 3) == [15, 30, 30]


def test_first_wait_is_bounded_as_well():
    assert BackOff(60, 15, random=lambda: 0.5).next_s() == 15


def test_reset_starts_over():
    back_off = BackOff(1, 10, random=lambda: 0.5)
    waits(back_off, 4)
    back_off.reset()
    assert back_off.next_s() == 1


def test_server_may_ask_for_a_longer_wait_only():
    back_off = BackOff(10, 20, random=lambda: 0.5)
    assert back_off.next_s(retry_after_s=500) == 500
    assert back_off.next_s(retry_after_s=3) == 20
    assert back_off.next_s(retry_after_s=None) == 20


def test_thousand_failures_do_not_overflow():
    assert waits(BackOff(1, 60, random=lambda: 0.5), 2000)[-1] == 60
