"""Test refusals and disconnects with a programmable broker: nothing durable waits behind what the broker refuses."""

import json

import pytest

from appliance.messaging.mqtt.reconnect import ConnectionTimeouts
from support.broker import wait_until
from support.publisher import TOPICS, device, event, logged
from support.scripted_broker import CLOSE, ScriptedBroker

HASTY = ConnectionTimeouts(first_s=0.02, longest_s=0.1, answer_s=2.0, stable_s=1.5, refused_s=1.2)
PASSING = [0x80, 0x83, 0x90, 0x97, 0x99]


@pytest.fixture(autouse=True)
def _log_everything(caplog):
    caplog.set_level("INFO")


def seqs(broker, topic=TOPICS.event):
    return [json.loads(message.payload)["seq"] for message in broker.on(topic)]


@pytest.mark.parametrize("code", PASSING)
def test_event_that_was_refused_once_arrives_on_the_same_connection(tmp_path, code):
    refused = []

    def answer(message):
        if message.topic == TOPICS.event and not refused:
            refused.append(message)
            return code
        return 0

    with ScriptedBroker(answer) as broker, device(tmp_path, broker, timeouts=HASTY) as pi:
        pi.publisher.offer(event(1))
        pi.publisher.offer(event(2))
        wait_until(lambda: pi.publisher.connected and len(seqs(broker)) == 3, "sent again")
        wait_until(lambda: pi.outbox.waiting == 0, "delivered")
        assert sorted(seqs(broker)) == [1, 1, 2]
        assert broker.connections == 1
        wait_until(lambda: pi.publisher.error is None, "the condition is resolved")


@pytest.mark.parametrize("code", PASSING)
def test_value_that_was_refused_once_arrives_on_the_same_connection(tmp_path, code):
    refused = []

    def answer(message):
        if message.topic == TOPICS.state and not refused:
            refused.append(message)
            return code
        return 0

    with ScriptedBroker(answer) as broker, device(tmp_path, broker, timeouts=HASTY) as pi:
        pi.publisher.retain(TOPICS.state, "{}")
        wait_until(lambda: len(broker.on(TOPICS.state)) == 2, "sent again")
        assert broker.connections == 1


@pytest.mark.parametrize("answer", [-0x95, -0x98, -0x99, -0x9A, -0x9B, CLOSE])
def test_announcement_that_ends_the_connection_delays_no_event(tmp_path, caplog, answer):
    with (
        ScriptedBroker(lambda message: answer if len(message.payload) > 2000 else 0) as broker,
        device(tmp_path, broker, timeouts=HASTY) as pi,
    ):
        pi.publisher.retain(TOPICS.discovery, bytes(9000))
        for number in range(300):
            pi.publisher.offer(event(number))
        wait_until(lambda: pi.outbox.waiting == 0, "all events are delivered")
        wait_until(lambda: TOPICS.discovery in (pi.publisher.error or ""), "the announcement is named")
        pi.publisher.retain(TOPICS.state, "{}")
        wait_until(lambda: broker.on(TOPICS.state), "values are delivered")
        assert len(broker.on(TOPICS.discovery)) <= 5
        assert len(logged(caplog, TOPICS.discovery)) == 1


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_event_that_ends_the_connection_is_set_aside_and_kept(tmp_path, protocol):
    with (
        ScriptedBroker(lambda message: CLOSE if len(message.payload) > 2000 else 0) as broker,
        device(tmp_path, broker, timeouts=HASTY, protocol=protocol) as pi,
    ):
        pi.publisher.offer(event(0, label="x" * 3000))
        for number in range(1, 50):
            pi.publisher.offer(event(number))
        wait_until(lambda: set(range(1, 50)) <= set(seqs(broker)), "the others are delivered")
        wait_until(lambda: "set aside" in (pi.publisher.error or ""), "the message is named")
        wait_until(lambda: pi.outbox.waiting == 1, "the others are acknowledged")


def test_picture_that_ends_a_stable_connection_is_found(tmp_path):
    with (
        ScriptedBroker(lambda message: CLOSE if message.topic == TOPICS.snapshot else 0) as broker,
        device(tmp_path, broker, timeouts=ConnectionTimeouts(0.02, 0.1, 2.0, 0.2, 30.0)) as pi,
    ):

        def named():
            connected, before = pi.publisher.connected, len(broker.on(TOPICS.snapshot))
            if connected and TOPICS.snapshot not in (pi.publisher.error or ""):
                pi.publisher.show(TOPICS.snapshot, bytes(20_000))
                wait_until(lambda: len(broker.on(TOPICS.snapshot)) > before or pi.publisher.error, "it is sent")
            return TOPICS.snapshot in (pi.publisher.error or "")

        wait_until(named, "the picture is named")
        pi.publisher.offer(event(1, snapshot=True))
        wait_until(lambda: seqs(broker) == [1] and pi.outbox.waiting == 0, "events are delivered")
        assert json.loads(broker.on(TOPICS.event)[0].payload)["snapshot"] is False


@pytest.mark.parametrize("packet", [b"\xf0\x00", b"\x30\x05\x00\x09ab", b"\x40\x03\x00\x01\xfe"])
def test_invalid_packet_of_the_broker_is_blamed_on_no_message(tmp_path, caplog, packet):
    sent = []

    def send_once(client):
        if len(sent) < 5:
            sent.append(packet)
            client.sendall(packet)

    with (
        ScriptedBroker(on_subscribed=send_once) as broker,
        device(tmp_path, broker, timeouts=HASTY, subscriptions=[TOPICS.restart]) as pi,
    ):
        pi.publisher.offer(event(1))
        wait_until(lambda: 1 in seqs(broker) and pi.publisher.connected and pi.outbox.waiting == 0, "delivered")
        wait_until(lambda: pi.publisher.error is None, "resolved")
    assert len(logged(caplog, "the broker sent an invalid packet")) in (1, 2)  # begin and end
    assert logged(caplog, "set aside") == logged(caplog, "does not accept") == []
