"""Topics that the broker refuses: pauses, strikes and the report about them."""

import pytest

from appliance.messaging.mqtt import errors
from appliance.messaging.refused_topics import RefusedTopics

PAUSE_S = 60.0


class Rig:
    """Refused topics and the condition that they report."""

    def __init__(self):
        self.condition = None
        self.topics = RefusedTopics(self._report, PAUSE_S)

    def _report(self, key, description):
        assert key == "topics"
        self.condition = description


@pytest.fixture
def rig():
    return Rig()


def test_refused_topic_is_paused_longer_each_time(rig):
    now_s = 0.0
    for times in (1, 2, 4, 8, 10, 10):
        rig.topics.record_refusal("T/state", "Not authorized", now_s, durable=False)
        assert rig.topics.resume_due(now_s + times * PAUSE_S - 1) == []
        now_s += times * PAUSE_S
        assert rig.topics.resume_due(now_s) == ["T/state"]
        assert "T/state" not in rig.topics.paused


def test_success_resolves_the_condition_and_resets_the_pause(rig):
    rig.topics.record_refusal("T/state", "Not authorized", 0.0, durable=False)
    assert "T/state (Not authorized)" in rig.condition
    assert rig.topics.is_suspect("T/state")
    rig.topics.resume_due(PAUSE_S)
    rig.topics.record_success("T/state")
    assert rig.condition is None
    assert not rig.topics.is_suspect("T/state")
    rig.topics.record_refusal("T/state", "Not authorized", 0.0, durable=False)
    assert rig.topics.resume_due(PAUSE_S) == ["T/state"]


def test_durable_topics_are_named_first_and_two_at_most(rig):
    for topic in ("T/a", "T/b"):
        rig.topics.record_refusal(topic, "why", 0.0, durable=False)
    rig.topics.record_refusal("T/event", "Not authorized", 0.0, durable=True)
    assert "T/event, T/a and others (Not authorized); events wait" in rig.condition


def test_disconnect_right_after_a_refusal_is_explained_once(rig):
    rig.topics.record_refusal("T/state", "Not authorized", 10.0, durable=False)
    assert rig.topics.explain_disconnect(None, errors.UNSPECIFIED, 12.0)
    assert not rig.topics.explain_disconnect(None, errors.UNSPECIFIED, 13.0)


def test_third_disconnect_during_a_trial_refuses_the_topic(rig):
    for expected in (False, False, True):
        assert rig.topics.explain_disconnect("T/event", errors.UNSPECIFIED, 100.0) is expected
        assert rig.topics.is_suspect("T/event")
    assert "T/event" in rig.topics.paused


def test_disconnect_as_not_authorized_refuses_at_once(rig):
    assert rig.topics.explain_disconnect("T/event", errors.NOT_AUTHORIZED, 100.0)
    assert "T/event" in rig.topics.paused


def test_other_disconnects_are_no_strike(rig):
    assert not rig.topics.explain_disconnect("T/event", errors.SESSION_TAKEN_OVER, 100.0)
    assert not rig.topics.is_suspect("T/event")


def test_survived_trial_and_stable_connection_clear_strikes(rig):
    rig.topics.explain_disconnect("T/a", errors.UNSPECIFIED, 0.0)
    rig.topics.clear_strikes("T/a")
    assert not rig.topics.is_suspect("T/a")
    rig.topics.explain_disconnect("T/b", errors.UNSPECIFIED, 0.0)
    rig.topics.mark_stable()
    assert not rig.topics.is_suspect("T/b")


def test_connect_after_a_stable_connection_ends_every_pause(rig):
    rig.topics.record_refusal("T/state", "why", 0.0, durable=False)
    rig.topics.handle_connect()
    assert "T/state" in rig.topics.paused
    rig.topics.mark_stable()
    rig.topics.handle_connect()
    assert "T/state" not in rig.topics.paused
