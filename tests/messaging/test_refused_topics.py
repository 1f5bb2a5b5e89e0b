"""Test topics that the broker refuses: pauses, strikes and the condition, also with a real broker."""

from contextlib import closing

import pytest

from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.refused_topics import RefusedTopics
from support.broker import wait_until
from support.publisher import TOPICS, device, event, logged, received_seqs

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
    assert "T/event, T/a and others (Not authorized), so events wait" in rig.condition


def test_disconnect_right_after_a_refusal_is_explained_once(rig):
    rig.topics.record_refusal("T/state", "Not authorized", 10.0, durable=False)
    assert rig.topics.explains_disconnect(12.0)
    assert not rig.topics.explains_disconnect(13.0)


def test_size_of_a_message_is_named_if_it_may_be_the_reason(rig):
    rig.topics.record_refusal("T/snapshot", "it closes the connection", 0.0, durable=False, size_bytes=31_000)
    assert "31000 bytes" in rig.condition


def test_connect_after_a_stable_connection_ends_every_pause(rig):
    rig.topics.record_refusal("T/state", "why", 0.0, durable=False)
    rig.topics.handle_connect()
    assert "T/state" in rig.topics.paused
    rig.topics.mark_stable()
    rig.topics.handle_connect()
    assert "T/state" not in rig.topics.paused


@pytest.fixture(autouse=True)
def _log_everything(caplog):
    caplog.set_level("INFO")


EVERYTHING_BUT_EVENTS = f"user cam\ntopic readwrite {TOPICS.availability}\ntopic readwrite {TOPICS.update}\n"
EVERYTHING = f"user cam\ntopic readwrite {TOPICS.root}/#\n"


@pytest.mark.parametrize("topic_allowed_later", [True, False])
def test_a_denied_topic_is_kept_and_holds_nothing_else_up(tmp_path, new_broker, caplog, topic_allowed_later):
    broker = new_broker(passwords={"cam": "x", "eye": "x"}, acl=EVERYTHING_BUT_EVENTS + "user eye\ntopic read #\n")
    with (
        broker.observer(username="eye", password="x") as observer,
        device(tmp_path, broker, username="cam", password="x") as pi,
    ):
        for number in range(100):
            pi.publisher.offer(event(number))
        denied = f"does not accept messages to {TOPICS.event} (Not authorized), so events wait in the outbox"
        wait_until(lambda: denied in (pi.publisher.error or ""), "denied")
        pi.publisher.offer({"topic": TOPICS.update, "payload": {"state": "committed"}})
        observer.wait_for(TOPICS.update)
        wait_until(lambda: pi.publisher.connected and pi.outbox.waiting == 100, "only the update was delivered")
        assert len(logged(caplog, "does not accept")) == 1
        if topic_allowed_later:
            broker.write_acl(EVERYTHING + "user eye\ntopic read #\n")
            observer.wait_for(TOPICS.event, count=100)
            wait_until(lambda: pi.publisher.error is None and pi.outbox.waiting == 0, "the condition is resolved")
            assert sorted(set(received_seqs(observer))) == list(range(100))
    if not topic_allowed_later:
        with closing(Outbox(tmp_path / "outbox.db", 1000, 3600)) as left:
            assert left.waiting == 100


def test_denied_topic_and_subscription_are_reported(tmp_path, new_broker):
    broker = new_broker(passwords={"cam": "x"}, acl=f"user cam\ntopic write {TOPICS.availability}\n")
    with device(tmp_path, broker, username="cam", password="x", subscriptions=[TOPICS.restart]) as pi:
        pi.publisher.retain(TOPICS.state, "{}")
        wait_until(lambda: f"messages to {TOPICS.state}" in (pi.publisher.error or ""), "the denial of the topic")
        wait_until(lambda: pi.publisher.connected, "connected without that topic")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_denial_without_a_reason_is_found_by_trial(tmp_path, new_broker, protocol):
    # QoS 0 is not answered, and this broker closes the connection instead.
    acl = f"user cam\ntopic readwrite {TOPICS.availability}\ntopic readwrite {TOPICS.event}\nuser eye\ntopic read #\n"
    broker = new_broker(passwords={"cam": "x", "eye": "x"}, acl=acl)
    with (
        broker.observer(username="eye", password="x") as observer,
        device(tmp_path, broker, username="cam", password="x", protocol=protocol) as pi,
    ):
        pi.publisher.retain(TOPICS.stats, "{}", qos=0)
        wait_until(lambda: f"does not accept messages to {TOPICS.stats}" in (pi.publisher.error or ""), "found")
        pi.publisher.offer(event(1))
        observer.wait_for(TOPICS.event)


@pytest.mark.slow
def test_denied_events_stay_in_the_outbox_with_3_1_1(tmp_path, new_broker):
    broker = new_broker(passwords={"cam": "x"}, acl=EVERYTHING_BUT_EVENTS)
    with device(tmp_path, broker, username="cam", password="x", protocol="3.1.1") as pi:
        for number in range(50):
            pi.publisher.offer(event(number))
        wait_until(lambda: f"does not accept messages to {TOPICS.event}" in (pi.publisher.error or ""), "found")
        assert pi.outbox.waiting == 50
