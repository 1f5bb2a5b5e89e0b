"""Test message order, the window, trials and refusals, with an outbox on disk and a wire that only records."""

import json

import pytest

from appliance.messaging.delivery import WINDOW, Delivery
from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.message import Outgoing, Reason
from appliance.messaging.outbox.outbox import Outbox
from support.broker import wait_until
from support.publisher import TOPICS, device, event, scripted

SUCCESS = Reason(0, "")
DENIED = Reason(errors.NOT_AUTHORIZED, "Not authorized")
PAUSE_S = 60.0


class NotingWire:
    """A wire that records what is published."""

    def __init__(self):
        self.sent: list[Outgoing] = []
        self.is_clogged = False

    def publish(self, message):
        if "\0" in message.topic:
            raise ValueError("invalid topic")
        self.sent.append(message)
        return len(self.sent)


class Rig:
    """A delivery that is connected."""

    def __init__(self, folder):
        self.now_s = 1000.0
        self.conditions = {}
        self.outbox = Outbox(folder / "outbox.db", 1000, 3600)
        self.delivery = Delivery(self.outbox, self.conditions.__setitem__, PAUSE_S)
        self.connect()

    def connect(self, window=None, limit_bytes=None, *, careful=False):
        self.wire = NotingWire()
        self.delivery.handle_connect(window, limit_bytes, careful=careful)

    def retain(self, topic, payload=b"x", qos=1):
        self.delivery.retain(Outgoing(topic, payload, qos, retain=True))

    def offer(self, *seqs, topic="T/event"):
        self.outbox.append([{"topic": topic, "payload": {"seq": seq}} for seq in seqs])
        self.delivery.notify_events()

    def fill(self, pass_s=0.0):
        """Return the topics that `fill` publishes after some time."""
        self.now_s += pass_s
        before = len(self.wire.sent)
        self.delivery.fill(self.wire, self.now_s)
        return [message.topic for message in self.wire.sent[before:]]

    def acknowledge(self, index=-1, reason=SUCCESS):
        """Acknowledge the last message, or the one with an index."""
        packet_id = index if index > 0 else len(self.wire.sent)
        self.delivery.acknowledge(packet_id, reason, self.now_s)


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    yield made
    made.outbox.close()


def test_transient_then_retained_then_events(rig):
    rig.offer(1)
    rig.retain("T/state", qos=0)
    rig.delivery.send(Outgoing("T/labels", b"{}", 0))
    assert rig.fill() == ["T/labels", "T/state", "T/event"]


def test_window_bounds_what_is_in_flight(rig):
    for index in range(WINDOW + 5):
        rig.retain(f"T/label/{index}")
    assert len(rig.fill()) == WINDOW
    rig.acknowledge(1)
    rig.acknowledge(2)
    assert rig.fill() == [f"T/label/{WINDOW}", f"T/label/{WINDOW + 1}"]


def test_brokers_smaller_window_counts(rig):
    rig.connect(window=2)
    for index in range(5):
        rig.retain(f"T/label/{index}")
    assert len(rig.fill()) == 2


def test_last_retained_value_is_sent_and_again_after_connect(rig):
    rig.retain("T/state", b"old")
    rig.retain("T/state", b"new")
    assert rig.fill() == ["T/state"]
    assert rig.wire.sent[0].payload == b"new"
    rig.acknowledge()
    assert not rig.delivery.is_unacknowledged("T/state")
    rig.delivery.handle_disconnect(0, rig.now_s)
    rig.connect()
    assert rig.fill() == ["T/state"]


def test_cleared_value_is_not_sent_again_after_connect(rig):
    rig.retain("T/label/rose", b"")
    rig.fill()
    rig.acknowledge()
    rig.delivery.handle_disconnect(0, rig.now_s)
    rig.connect()
    assert rig.fill() == []


def test_first_event_is_alone_until_its_trial_has_passed(rig):
    rig.offer(1, 2, 3)
    assert rig.fill() == ["T/event"]
    assert rig.fill() == []
    rig.acknowledge()
    assert rig.fill() == []  # the connection must survive for a moment
    assert rig.outbox.waiting == 3
    assert rig.delivery.next_fill_s > rig.now_s
    assert rig.fill(pass_s=0.1) == ["T/event", "T/event"]
    assert [json.loads(message.payload)["seq"] for message in rig.wire.sent] == [1, 2, 3]
    assert rig.outbox.waiting == 2


def test_event_that_ends_the_connection_is_kept(rig):
    rig.offer(1)
    rig.fill()
    rig.acknowledge()
    assert not rig.delivery.handle_disconnect(errors.UNSPECIFIED, rig.now_s)
    assert rig.outbox.waiting == 1
    rig.connect()
    assert rig.fill() == ["T/event"]


def test_refused_event_topic_pauses_and_others_continue(rig):
    rig.offer(1, 2)
    rig.offer(3, topic="T/update")
    rig.fill()
    rig.acknowledge(reason=DENIED)
    assert "T/event" in rig.conditions["topics"]
    assert rig.fill(pass_s=0.1) == ["T/update"]
    rig.acknowledge()
    assert rig.fill(pass_s=0.1) == []
    assert rig.outbox.waiting == 2
    assert rig.fill(pass_s=PAUSE_S) == ["T/event"]
    rig.acknowledge()
    assert rig.conditions["topics"] is None


def test_single_refused_event_waits_for_the_next_connection(rig):
    rig.offer(1, 2)
    rig.fill()
    rig.acknowledge(reason=Reason(0x99, "Payload format invalid"))
    assert "Payload format invalid" in rig.conditions["single"]
    assert rig.fill(pass_s=0.1) == ["T/event"]
    assert json.loads(rig.wire.sent[-1].payload)["seq"] == 2
    rig.delivery.handle_disconnect(0, rig.now_s)
    rig.connect()
    assert rig.conditions["single"] is None
    rig.fill()
    assert json.loads(rig.wire.sent[-1].payload)["seq"] == 1


def test_careful_connection_tries_each_topic_with_acknowledgment(rig):
    rig.connect(careful=True)
    rig.retain("T/stats", qos=0)
    rig.retain("T/state", qos=0)
    assert rig.fill() == ["T/stats"]
    assert rig.wire.sent[0].qos == 1
    rig.acknowledge()
    assert rig.fill(pass_s=0.1) == ["T/state"]


def test_oversized_message_is_reported_and_skipped(rig):
    rig.connect(limit_bytes=1000)
    rig.retain("T/snapshot", b"x" * 2000, qos=0)
    rig.retain("T/state", qos=0)
    assert rig.fill() == ["T/state"]
    assert "T/snapshot" in rig.conditions["size"]
    rig.retain("T/snapshot", b"x" * 100, qos=0)
    assert rig.fill() == ["T/snapshot"]
    assert rig.conditions["size"] is None


def test_clogged_wire_drops_transient_messages_only(rig):
    rig.wire.is_clogged = True
    rig.delivery.send(Outgoing("T/labels", b"{}", 0))
    rig.retain("T/state", qos=0)
    assert rig.fill() == []
    rig.wire.is_clogged = False
    assert rig.fill() == ["T/state"]


def test_impossible_message_is_logged_and_skipped(rig, caplog):
    rig.delivery.send(Outgoing("T/\0", b"", 0))
    rig.retain("T/state", qos=0)
    assert rig.fill() == ["T/state"]
    assert "cannot be sent" in caplog.text


def test_idle_when_everything_is_acknowledged(rig):
    rig.offer(1)
    rig.retain("T/state")
    assert not rig.delivery.is_idle
    rig.fill()
    rig.acknowledge(1)
    rig.fill()
    rig.acknowledge(2)
    rig.fill(pass_s=0.1)
    assert rig.delivery.is_idle


def test_oversized_message_is_reported_and_connection_stays(tmp_path, new_broker):
    broker = new_broker(options=["max_packet_size 3000"])
    with broker.observer() as observer, device(tmp_path, broker) as pi:
        wait_until(lambda: pi.publisher.connected, "connected")
        pi.publisher.retain(TOPICS.snapshot, b"x" * 5000, qos=0)
        wait_until(lambda: "exceeds the broker's limit (3000 bytes)" in (pi.publisher.error or ""), "reported")
        pi.publisher.offer(event(1))
        observer.wait_for(TOPICS.event)
        pi.publisher.retain(TOPICS.snapshot, b"x" * 500, qos=0)
        observer.wait_for(TOPICS.snapshot)
        assert pi.publisher.error is None and observer.count(TOPICS.availability) == 1


def test_a_broker_with_a_small_window_gets_no_more_than_it_takes(tmp_path):
    # Receive Maximum 2 (MQTT 5.0, 3.2.2.3.3), and nothing is acknowledged.
    with (
        scripted(b"\x20\x06\x00\x00\x03\x21\x00\x02", None) as (port, published),
        device(tmp_path, None, host="127.0.0.1", port=port) as pi,
    ):
        wait_until(lambda: pi.publisher.connected, "connected")
        for number in range(30):
            pi.publisher.retain(TOPICS.label(f"label_{number}"), "OFF")
        wait_until(lambda: len(published) == 2, "two messages")
        pi.publisher.stop(0.5)
    assert len(published) == 2
