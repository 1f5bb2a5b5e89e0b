"""Test the order in which retained values are sent."""

from appliance.messaging.mqtt.message import Outgoing
from appliance.messaging.retained_values import RetainedValues


def value(topic, payload=b"x"):
    return Outgoing(topic, payload, 1, retain=True)


def send_all(values):
    order = values.unsent
    for topic in order:
        values.note_sent(topic)
        values.note_acknowledged(values[topic])
    assert values.unsent == []
    return order


def test_known_announcement_comes_last_after_a_reconnect_only():
    values = RetainedValues("ha")
    for topic in ("state", "ha", "running"):
        values.set(value(topic))
    assert send_all(values) == ["state", "ha", "running"]
    values.handle_connect()
    assert send_all(values) == ["state", "running", "ha"]
    for topic in ("ha", "state"):
        values.set(value(topic))
    assert send_all(values) == ["ha", "state"]
    values.set(value("ha", b"other labels"))
    values.set(value("state"))
    values.handle_connect()
    assert send_all(values) == ["running", "ha", "state"]


def test_cleared_topic_is_forgotten_unless_it_was_set_again():
    values = RetainedValues("ha")
    values.set(value("label", b""))
    values.note_sent("label")
    values.set(value("label", b"ON"))
    values.note_acknowledged(value("label", b""))
    assert values.is_unsent("label")
    values.set(value("label", b""))
    assert send_all(values) == ["label"]
    values.handle_connect()
    assert values.unsent == []
