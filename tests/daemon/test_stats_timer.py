"""Test when statistics are published."""

from appliance.daemon.stats_timer import FIRST_STATS_S, SOON_S, STATS_EVERY_S, StatsTimer


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


def test_statistics_come_at_first_soon_then_regularly():
    clock, published = Clock(), []
    timer = StatsTimer(published.append, clock)
    timer.poll(lambda: "early")
    clock.now_s += FIRST_STATS_S
    timer.poll(lambda: "first")
    timer.poll(lambda: "again")
    clock.now_s += STATS_EVERY_S
    timer.poll(lambda: "second")
    assert published == ["first", "second"]


def test_request_makes_them_due_within_a_second():
    clock, published = Clock(), []
    timer = StatsTimer(published.append, clock)
    timer.request_soon()
    timer.poll(lambda: "not yet")
    clock.now_s += SOON_S
    timer.poll(lambda: "soon")
    assert published == ["soon"]


def test_request_does_not_delay_what_is_due():
    clock, published = Clock(), []
    timer = StatsTimer(published.append, clock)
    clock.now_s += FIRST_STATS_S
    timer.request_soon()
    timer.poll(lambda: "due")
    assert published == ["due"]
