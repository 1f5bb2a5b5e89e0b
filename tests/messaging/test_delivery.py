"""Test message order, the window, trials, refusals and pictures, with an outbox on disk and a wire that records."""

import json

import pytest

from appliance.messaging.delivery import WINDOW, Delivery
from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.message import Connected, Outgoing, Reason
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.pictures import PictureMessage
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
        self.delivery = Delivery(self.outbox, self.conditions.__setitem__, PAUSE_S, "homeassistant")
        self.connect()

    def connect(self, **limits):
        self.wire = NotingWire()
        self.delivery.handle_connect(Connected(**limits))

    def lose(self, code=errors.UNSPECIFIED, *, short=True):
        """Lose the connection; return whether the cause is known. Then connect again."""
        explained = self.delivery.handle_disconnect(Reason(code, f"reason {code:#x}"), self.now_s, short=short)
        self.connect()
        return explained

    def settle(self):
        """Acknowledge everything until nothing is left to send; return the topics in order."""
        topics = []
        while sent := self.fill(pass_s=0.1):
            topics += sent
            for index in range(1, len(self.wire.sent) + 1):
                self.acknowledge(index)
        self.fill(pass_s=0.1)
        return topics

    def show(self, *ids, size_bytes=1000, topic="T/snapshot", requested=False):
        message = Outgoing(topic, bytes(size_bytes), 0, retain=True)
        self.delivery.show(PictureMessage(message, frozenset(ids), requested), self.now_s)

    def offer_start(self, id):
        self.outbox.append([{"topic": "T/event", "payload": {"id": id, "snapshot": True}}])
        self.delivery.notify_events()

    def last_seq(self, pass_s):
        """Return the sequence number of the event that `fill` publishes after some time."""
        assert self.fill(pass_s) == ["T/event"]
        return json.loads(self.wire.sent[-1].payload)["seq"]

    def snapshots(self):
        """Return the key `snapshot` of each event that was sent on this connection."""
        events = (message for message in self.wire.sent if message.topic == "T/event")
        return [json.loads(message.payload)["snapshot"] for message in events]

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


def test_events_then_transient_then_values_then_pictures(rig):
    rig.retain("homeassistant")
    assert rig.settle() == ["homeassistant"]
    rig.show("id-1")
    rig.retain("T/state")
    rig.offer(1)
    rig.lose(0x8B)
    rig.retain("T/availability")
    rig.delivery.send(Outgoing("T/labels", b"{}", 0))
    assert rig.settle() == ["T/event", "T/labels", "T/state", "T/availability", "homeassistant", "T/snapshot"]


def test_new_announcement_keeps_its_place_before_the_states(rig):
    rig.retain("T/state")
    rig.retain("homeassistant", b"with other labels")
    rig.retain("T/label/rose")
    assert rig.settle() == ["T/state", "homeassistant", "T/label/rose"]


def test_window_bounds_what_is_in_flight(rig):
    for index in range(WINDOW + 5):
        rig.retain(f"T/label/{index}")
    assert len(rig.fill()) == WINDOW
    rig.acknowledge(1)
    rig.acknowledge(2)
    assert rig.fill() == [f"T/label/{WINDOW}", f"T/label/{WINDOW + 1}"]


def test_brokers_smaller_window_counts(rig):
    rig.connect(receive_maximum=2)
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
    rig.lose(0x8B)
    assert rig.fill() == ["T/state"]


def test_cleared_value_is_not_sent_again_after_connect(rig):
    rig.retain("T/label/rose", b"")
    rig.fill()
    rig.acknowledge()
    rig.lose(0x8B)
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
    assert not rig.lose()
    assert rig.outbox.waiting == 1
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


def test_refused_event_is_sent_again_on_the_same_connection(rig):
    rig.offer(1, 2)
    rig.fill()
    rig.acknowledge(reason=Reason(0x99, "Payload format invalid"))
    assert "Payload format invalid" in rig.conditions["single"]
    assert rig.fill(pass_s=0.1) == ["T/event"]
    assert json.loads(rig.wire.sent[-1].payload)["seq"] == 2
    rig.acknowledge()
    assert rig.fill(pass_s=1) == []
    assert rig.delivery.next_fill_s <= rig.now_s + PAUSE_S
    assert rig.fill(pass_s=PAUSE_S / 12) == ["T/event"]
    assert json.loads(rig.wire.sent[-1].payload)["seq"] == 1
    rig.acknowledge()
    assert rig.conditions["single"] is None
    assert rig.outbox.waiting == 0


def test_topic_pauses_if_many_of_its_events_are_refused(rig):
    rig.offer(*range(200))
    for _ in range(60):
        rig.fill(pass_s=0.1)
        rig.acknowledge(reason=Reason(0x97, "Quota exceeded"))
    assert len(rig.wire.sent) < 60
    assert "Quota exceeded" in rig.conditions["topics"]
    rig.now_s += 11 * PAUSE_S
    rig.settle()
    assert rig.outbox.waiting == 0


@pytest.mark.parametrize("code", [0x95, 0x98, 0x99, 0x9A, 0x9B])
def test_value_that_ends_the_connection_is_set_aside_and_named(rig, code):
    rig.retain("T/state")
    rig.retain("homeassistant", bytes(9000))
    rig.fill()
    assert not rig.lose(code)
    rig.offer(1)
    for topic in ("T/event", "T/state"):
        assert rig.fill(pass_s=0.1) == [topic]
        rig.acknowledge()
    assert rig.fill(pass_s=0.1) == ["homeassistant"]
    assert rig.lose(code)
    assert "homeassistant" in rig.conditions["topics"]
    assert rig.settle() == ["T/state"]
    assert rig.outbox.waiting == 0


def test_single_message_before_a_reason_is_the_cause(rig):
    rig.retain("T/state")
    rig.settle()
    rig.show(size_bytes=50_000)
    assert rig.fill(pass_s=60) == ["T/snapshot"]
    assert rig.lose(errors.PACKET_TOO_LARGE, short=False)
    assert "T/snapshot" in rig.conditions["topics"]
    assert rig.settle() == ["T/state"]


def test_size_that_ended_connections_is_suspected_sooner(rig):
    rig.retain("homeassistant", bytes(9000))
    rig.fill()
    for expected in (False, False, False, True):
        assert rig.lose() is expected
        rig.fill(pass_s=0.1)
    rig.retain("T/state", bytes(20_000))
    rig.fill(pass_s=0.1)
    assert not rig.lose()
    rig.fill(pass_s=0.1)
    assert rig.lose()
    assert "T/state" in rig.conditions["topics"]


def test_event_that_ends_connections_is_set_aside_alone(rig):
    rig.offer(1, 2)
    rig.fill()
    assert not rig.lose()
    for expected in (False, True):
        while rig.last_seq(pass_s=0.1) != 1:
            rig.acknowledge()
        assert rig.lose() is expected
    assert "T/event" in rig.conditions["aside"]
    rig.settle()
    assert rig.outbox.waiting == 1
    assert rig.fill(pass_s=PAUSE_S) == ["T/event"]
    rig.acknowledge()
    rig.fill(pass_s=0.1)
    assert (rig.outbox.waiting, rig.conditions["aside"]) == (0, None)


def test_network_that_fails_once_makes_no_suspects(rig):
    for topic in ("T/state", "T/threshold"):
        rig.retain(topic)
    rig.fill()
    rig.lose(short=False)
    assert rig.fill() == ["T/state", "T/threshold"]


def test_suspects_are_sent_alone_and_last(rig):
    for topic in ("T/state", "T/threshold"):
        rig.retain(topic)
    rig.fill()
    rig.lose()
    rig.retain("T/running")
    assert rig.fill() == ["T/running"]
    rig.acknowledge()
    assert rig.fill() == ["T/state"]
    assert rig.fill() == []
    rig.acknowledge()
    assert rig.fill(pass_s=0.1) == ["T/threshold"]


def test_picture_precedes_its_event_while_nothing_waits(rig):
    rig.retain("T/availability")
    rig.settle()
    rig.show("id-1")
    rig.offer_start("id-1")
    rig.retain("T/label/rose", b"ON")
    assert rig.settle() == ["T/snapshot", "T/event", "T/label/rose"]
    assert rig.snapshots() == [True]


def test_picture_is_sent_once(rig):
    rig.retain("T/availability")
    rig.settle()
    rig.show("id-1")
    rig.offer_start("id-1")
    rig.settle()
    rig.lose(0x8B)
    assert rig.settle() == ["T/availability"]


def test_picture_from_an_outage_comes_last_and_its_event_says_so(rig):
    rig.retain("T/availability")
    rig.settle()
    rig.lose(0x8B)
    rig.show("id-1")
    rig.offer_start("id-1")
    rig.show("id-2", size_bytes=2000)
    rig.offer_start("id-2")
    assert rig.settle() == ["T/event", "T/event", "T/availability", "T/snapshot"]
    assert rig.snapshots() == [False, False]
    assert len(rig.wire.sent[-1].payload) == 2000


def test_event_that_is_sent_again_does_not_claim_a_lost_picture(rig):
    rig.retain("T/availability")
    rig.settle()
    rig.show("id-1")
    rig.offer_start("id-1")
    assert rig.fill() == ["T/snapshot", "T/event"]
    rig.lose(0x8B)
    rig.settle()
    assert rig.snapshots() == [False]


def test_picture_does_not_precede_its_event_on_a_slow_link(rig):
    rig.retain("T/availability", bytes(3000))
    rig.fill()
    rig.now_s += 2.5
    rig.acknowledge()
    rig.show("id-1", size_bytes=30_000)
    rig.offer_start("id-1")
    assert rig.settle() == ["T/event"]
    assert rig.snapshots() == [False]
    rig.show(size_bytes=30_000, requested=True)
    assert rig.settle() == ["T/snapshot"]


def test_broker_without_retain_and_qos_1_gets_events(rig):
    rig.connect(retain_available=False, maximum_qos=0)
    rig.offer(1)
    rig.fill()
    rig.acknowledge()
    rig.fill(pass_s=0.1)
    rig.retain("T/state")
    assert rig.fill() == ["T/state"]
    assert {(message.qos, message.retain) for message in rig.wire.sent} == {(0, False)}
    rig.fill(pass_s=2)
    assert rig.outbox.waiting == 0


def test_silence_counts_from_the_last_acknowledgment(rig):
    assert rig.delivery.silent_s(rig.now_s) == 0
    rig.retain("T/state")
    rig.retain("T/threshold")
    rig.fill()
    assert rig.delivery.silent_s(rig.now_s + 50) == 50
    rig.now_s += 50
    rig.acknowledge(1)
    assert rig.delivery.silent_s(rig.now_s + 20) == 20
    rig.acknowledge(2)
    assert rig.delivery.silent_s(rig.now_s + 100) == 0


def test_oversized_message_is_reported_and_skipped(rig):
    rig.connect(maximum_packet_bytes=1000)
    rig.retain("T/snapshot", b"x" * 2000, qos=0)
    rig.retain("T/state", qos=0)
    assert rig.fill() == ["T/state"]
    assert "T/snapshot" in rig.conditions["size T/snapshot"]
    rig.retain("T/snapshot", b"x" * 100, qos=0)
    assert rig.fill() == ["T/snapshot"]
    assert rig.conditions["size T/snapshot"] is None


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
    rig.settle()
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
