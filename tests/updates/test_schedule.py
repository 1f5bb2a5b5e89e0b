"""Test when the source is checked: intervals, jitter, back-off and checks on demand."""

import pytest

from appliance.updates.schedule import LONGEST_RETRY_S, Schedule


class Clock:
    """Monotonic time that the test sets."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def make_schedule(clock, interval_s=3600.0, random=0.5):
    return Schedule(interval_s, clock, lambda: random)


@pytest.mark.parametrize(
    ("interval_s", "random", "wait_s"), [(3600, 0.0, 0), (3600, 1.0, 10), (20, 1.0, 2), (20, 0.5, 1)]
)
def test_first_check_comes_within_ten_seconds(clock, interval_s, random, wait_s):
    assert make_schedule(clock, interval_s, random).wait_s == pytest.approx(wait_s)


def test_check_is_due_when_its_time_has_come(clock):
    schedule = make_schedule(clock)
    assert not schedule.is_due
    clock.now_s += schedule.wait_s
    assert schedule.is_due and schedule.wait_s == 0


@pytest.mark.parametrize(("random", "wait_s"), [(0.0, 3240), (0.5, 3600), (1.0, 3960)])
def test_success_schedules_the_next_interval_with_jitter(clock, random, wait_s):
    schedule = make_schedule(clock, random=random)
    schedule.record_success()
    assert schedule.wait_s == pytest.approx(wait_s)


def test_failures_double_the_wait_up_to_the_interval(clock):
    schedule = make_schedule(clock)
    waits_s = [schedule.record_failure(None, under_way=False) for _ in range(12)]
    assert waits_s[:4] == [15, 30, 60, 120] and waits_s[-1] == 3600
    schedule.record_success()
    assert schedule.record_failure(None, under_way=False) == 15


@pytest.mark.parametrize(("random", "wait_s"), [(0.0, 2700), (1.0, 4500)])
def test_longest_wait_is_spread_too(clock, random, wait_s):
    schedule = make_schedule(clock, random=random)
    waits_s = [schedule.record_failure(None, under_way=False) for _ in range(12)]
    assert waits_s[-1] == wait_s


def test_short_interval_is_the_first_wait(clock):
    schedule = make_schedule(clock, interval_s=1.0)
    waits_s = [schedule.record_failure(None, under_way=False) for _ in range(20)]
    assert waits_s[:3] == [1, 2, 4] and waits_s[-1] == LONGEST_RETRY_S


def test_server_may_ask_for_a_longer_wait(clock):
    schedule = make_schedule(clock)
    assert schedule.record_failure(5000.0, under_way=False) == 5000 == schedule.wait_s


def test_without_interval_checks_run_only_on_demand(clock):
    schedule = make_schedule(clock, interval_s=0)
    assert schedule.wait_s is None and not schedule.is_due
    schedule.record_success()
    schedule.resume()
    assert schedule.wait_s is None
    assert schedule.record_failure(None, under_way=False) is None and schedule.wait_s is None
    schedule.check_now()
    assert schedule.is_due


def test_update_under_way_is_retried_without_interval(clock):
    schedule = make_schedule(clock, interval_s=0)
    assert schedule.record_failure(None, under_way=True) == 15 == schedule.wait_s


def test_resume_makes_a_check_due(clock):
    schedule = make_schedule(clock)
    schedule.record_failure(None, under_way=False)
    schedule.resume()
    assert schedule.is_due


def test_new_interval_begins_at_once(clock):
    schedule = make_schedule(clock)
    schedule.set_interval(60.0)
    assert schedule.wait_s == pytest.approx(60)
    schedule.set_interval(60.0)
    clock.now_s += 60
    assert schedule.is_due
    schedule.record_success()
    assert schedule.wait_s == pytest.approx(60)
    schedule.set_interval(0.0)
    assert schedule.wait_s is None
    schedule.set_interval(3600.0)
    assert schedule.wait_s == pytest.approx(3600)


def test_failures_of_a_new_interval_are_retried_within_it(clock):
    schedule = make_schedule(clock)
    schedule.set_interval(5.0)
    assert schedule.record_failure(None, under_way=False) <= 5.0
