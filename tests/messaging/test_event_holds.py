"""Test how long single events are kept back."""

from appliance.messaging.event_holds import EventHolds
from appliance.messaging.outbox.stored_rows import OutboxEvent

RETRY_S, ASIDE_S = 5.0, 60.0


def make_event(id):
    return OutboxEvent(id, "T/event", "{}", 0.0, None)


def test_refused_event_is_due_after_a_pause_that_doubles():
    holds, now_s = EventHolds(RETRY_S, ASIDE_S), 0.0
    for pause_s in (5, 10, 20, 40, 80, 160, 160):
        holds.hold(make_event(1), now_s, ended_connection=False)
        assert holds.next_due_s == now_s + pause_s
        assert holds.peek_due(now_s + pause_s - 0.1) is None
        now_s += pause_s
        assert holds.peek_due(now_s) == make_event(1)
        holds.take(1)
    assert len(holds) == 0
    assert holds.forget(1)
    assert not holds.forget(1)


def test_connect_releases_refused_events_but_not_those_that_end_connections():
    holds = EventHolds(RETRY_S, ASIDE_S)
    holds.hold(make_event(1), 0.0, ended_connection=False)
    holds.hold(make_event(2), 0.0, ended_connection=True)
    assert holds.is_aside("T/event") and not holds.is_aside("T/update")
    holds.handle_connect()
    assert list(holds.ids) == [2]
    assert holds.next_due_s == ASIDE_S


def test_paused_topic_releases_its_refused_events():
    holds = EventHolds(RETRY_S, ASIDE_S)
    holds.hold(make_event(1), 0.0, ended_connection=False)
    holds.release("T/update")
    assert len(holds) == 1
    holds.release("T/event")
    assert len(holds) == 0
