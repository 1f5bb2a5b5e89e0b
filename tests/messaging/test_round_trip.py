"""Test the round trip of `appliance check` with a real broker."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.errors import MessagingError
from appliance.messaging.round_trip import measure_round_trip
from appliance.messaging.topics import Topics
from appliance.settings.schema import MqttSettings
from support.scripted_broker import ScriptedBroker, publish_packet

T = Topics("appliance", "pi-1")


def trip(broker, password=None, **settings):
    return measure_round_trip(
        MqttSettings(host=broker.host, port=broker.port, **settings), password, T, "appliance-pi-1-check", 5
    )


def refused(broker, password=None, **settings):
    with pytest.raises(MessagingError) as caught:
        trip(broker, password, **settings)
    return str(caught.value)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_message_comes_back_and_leaves_nothing_behind(broker, protocol):
    assert 0 < trip(broker, protocol=protocol) < 5
    with broker.observer() as later:
        later.publish("done")
        later.wait_for("done")
        assert [message.topic for message in later.messages] == ["done"]


def test_checks_at_the_same_time_do_not_end_each_other(broker):
    """The page and a person at a terminal may check at once; a broker allows one connection for each client id."""
    with ThreadPoolExecutor(4) as pool:
        assert all(took_s > 0 for took_s in pool.map(lambda _: trip(broker), range(40)))


def test_missing_broker_is_reported(new_broker):
    broker = new_broker(start=False)
    assert f"no broker is listening at {broker.host}:{broker.port}" in refused(broker)


def test_wrong_password_is_reported_without_it(new_broker):
    broker = new_broker(passwords={"pi-1": "right"})
    assert trip(broker, "right", username="pi-1") > 0
    sentence = refused(broker, "wr0ng", username="pi-1")
    assert "the account pi-1" in sentence and "mqtt.password_file" in sentence
    assert "wr0ng" not in sentence and T.root not in sentence


def test_account_without_write_access_is_reported(new_broker):
    broker = new_broker(passwords={"pi-1": "p"}, acl="user pi-1\ntopic readwrite appliance/other/#\n")
    assert f"{T.root}/check/" in refused(broker, "p", username="pi-1")


def answer_with(broker, topic=None, payload=None):
    """Return an answer to PUBLISH: a message from the broker instead of the one that was sent."""

    def answer(message):
        broker[0].send(publish_packet(topic or message.topic, message.payload if payload is None else payload))
        return 0

    return answer


def test_only_the_message_that_was_sent_counts():
    made = []
    with ScriptedBroker(answer_with(made)) as broker:
        made.append(broker)
        assert trip(broker) > 0


@pytest.mark.parametrize("other", [{"topic": f"{T.root}/check/other"}, {"payload": b"check"}, {"payload": b""}])
def test_foreign_message_is_no_answer(other):
    made = []
    with ScriptedBroker(answer_with(made, **other)) as broker:
        made.append(broker)
        with pytest.raises(MessagingError, match="did not return it"):
            measure_round_trip(MqttSettings(host=broker.host, port=broker.port), None, T, "appliance-pi-1-check", 0.5)


def test_message_before_the_subscription_is_no_answer():
    with ScriptedBroker(suback=lambda: 0x87) as broker:
        assert "does not let this device read" in refused(broker)
    with ScriptedBroker(suback=lambda: None) as broker, pytest.raises(MessagingError, match="does not answer"):
        measure_round_trip(MqttSettings(host=broker.host, port=broker.port), None, T, "appliance-pi-1-check", 0.5)


def test_broker_with_qos_0_only_makes_the_round_trip():
    made = []
    with ScriptedBroker(answer_with(made), connack=lambda will: b"\x20\x05\x00\x00\x02\x24\x00") as broker:
        made.append(broker)
        assert trip(broker) > 0
        assert broker.arrived[0].qos == 0
