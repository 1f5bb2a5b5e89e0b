"""Test what the device does without: topics on which the broker sends messages that are too large."""

import pytest

from appliance.messaging.arrivals import Arrivals
from appliance.messaging.mqtt.connection import MAXIMUM_PACKET_BYTES
from appliance.messaging.mqtt.message import Oversized, Reason, Subscribed
from support.broker import wait_until
from support.publisher import TOPICS, device, event
from support.scripted_broker import ScriptedBroker, publish_packet

OK, DENIED = Reason(1, ""), Reason(0x87, "Not authorized")
TOO_LARGE = MAXIMUM_PACKET_BYTES + 1


@pytest.fixture
def conditions():
    return {}


def test_topic_with_an_oversized_message_is_left_out_for_a_while(conditions):
    arrivals = Arrivals(["a", "b"], conditions.__setitem__, 600.0)
    assert arrivals.handle_connect(0.0) == ("a", "b")
    arrivals.handle_oversized(Oversized("a", 100_000_000), 1.0)
    assert "100000000 bytes on a" in conditions["arrival"]
    assert arrivals.handle_disconnect()
    assert not arrivals.handle_disconnect()
    assert arrivals.handle_connect(2.0) == ("b",)
    arrivals.handle_subscribed(Subscribed((OK,)))
    assert conditions["arrival"]
    assert arrivals.handle_connect(602.0) == ("a", "b")
    arrivals.handle_subscribed(Subscribed((OK, OK)))
    assert conditions["arrival"] is None


def test_refused_subscription_is_reported_by_its_topic(conditions):
    arrivals = Arrivals(["a", "b"], conditions.__setitem__)
    arrivals.handle_connect(0.0)
    arrivals.handle_subscribed(Subscribed((OK, DENIED)))
    assert conditions["subscription a"] is None
    assert "read b (Not authorized)" in conditions["subscription b"]


def test_silence_lasts_until_the_subscriptions_are_acknowledged(conditions):
    arrivals = Arrivals(["a"], conditions.__setitem__)
    assert arrivals.silent_s(5.0) == 0
    arrivals.handle_connect(10.0)
    assert arrivals.silent_s(40.0) == 30
    arrivals.handle_subscribed(Subscribed((OK,)))
    assert arrivals.silent_s(100.0) == 0


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_huge_message_costs_one_connection_and_no_event(tmp_path, protocol):
    packet = publish_packet(TOPICS.restart, b"x" * 100, announce=100_000_000, mqtt5=protocol == "5")

    def flood(client):
        if TOPICS.restart in broker.subscribed[-1]:  # as a broker sends a retained message
            client.sendall(packet)

    with (
        ScriptedBroker(on_subscribed=flood) as broker,
        device(tmp_path, broker, protocol=protocol, subscriptions=[TOPICS.restart, TOPICS.running_set]) as pi,
    ):
        wait_until(lambda: "100000000 bytes" in (pi.publisher.error or ""), "the message is named")
        pi.publisher.offer(event(1))
        wait_until(lambda: pi.publisher.connected and pi.outbox.waiting == 0, "the event is delivered")
        assert broker.connections == 2
        assert broker.subscribed[-1] == [TOPICS.running_set, TOPICS.availability]
        assert pi.messages == []
