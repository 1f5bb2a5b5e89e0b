"""Test brokers that support less than others (MQTT 5.0, 3.2.2.3): events are delivered, and it is reported once."""

import pytest

from appliance.messaging.mqtt.broker_limits import BrokerLimits
from appliance.messaging.mqtt.conditions import ConditionLog
from appliance.messaging.mqtt.message import Connected, Reason
from support.broker import wait_until
from support.publisher import TOPICS, device, event, logged
from support.scripted_broker import ScriptedBroker

ACCEPTED = b"\x20\x03\x00\x00\x00"
NO_RETAIN = b"\x20\x05\x00\x00\x02\x25\x00"
QOS_0 = b"\x20\x05\x00\x00\x02\x24\x00"


@pytest.fixture(autouse=True)
def _log_everything(caplog):
    caplog.set_level("INFO")


def test_will_asks_for_what_the_broker_supports():
    limits = BrokerLimits("b:1883", ConditionLog())
    assert (limits.build_will("T", b"").qos, limits.build_will("T", b"").retain) == (1, True)
    assert limits.learn_from_refusal(Reason(0x9A, "Retain not supported"))
    assert limits.learn_from_refusal(Reason(0x9B, "QoS not supported"))
    assert (limits.build_will("T", b"").qos, limits.build_will("T", b"").retain) == (0, False)
    assert not limits.learn_from_refusal(Reason(0x9B, "QoS not supported"))
    assert not limits.learn_from_refusal(Reason(0x87, "Not authorized"))
    limits.update(Connected())
    assert limits.build_will("T", b"").retain


def refuse(code, is_too_much):
    return lambda will: b"\x20\x03\x00" + bytes([code]) + b"\x00" if is_too_much(will) else None


@pytest.mark.parametrize(
    ("connack", "refusal", "sentence", "kept"),
    [
        (NO_RETAIN, refuse(0x9A, lambda will: will[2]), "keeps no retained messages", (1, False)),
        (QOS_0, refuse(0x9B, lambda will: will[1] > 0), "QoS 0 only", (0, True)),
    ],
)
@pytest.mark.parametrize("refuses_the_will", [True, False])
def test_events_are_delivered_to_a_broker_with_limits(
    tmp_path, caplog, connack, refusal, sentence, kept, refuses_the_will
):
    def answer_connect(will):
        return (refusal(will) if refuses_the_will else None) or connack

    def answer(message):
        too_much = (message.retained and not kept[1]) or message.qos > kept[0]
        return -(0x9A if message.retained and not kept[1] else 0x9B) if too_much else 0

    with ScriptedBroker(answer, connack=answer_connect) as broker, device(tmp_path, broker) as pi:
        pi.publisher.retain(TOPICS.state, "{}")
        for number in range(20):
            pi.publisher.offer(event(number))
        wait_until(lambda: len(broker.on(TOPICS.event)) >= 20 and broker.on(TOPICS.state), "everything arrives")
        wait_until(lambda: pi.outbox.waiting == 0, "everything is acknowledged")
        assert len(broker.on(TOPICS.event)) == 20
        assert broker.connections == (2 if refuses_the_will else 1)
        assert pi.publisher.error is None
    assert len(logged(caplog, sentence)) == 1
    assert logged(caplog, "another client") == []
