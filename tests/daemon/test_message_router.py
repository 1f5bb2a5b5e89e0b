"""Test that messages reach the handler of their topic."""

from appliance.daemon.message_router import MessageRouter
from appliance.messaging.mqtt.message import Received


def test_messages_reach_the_handler_of_their_topic():
    router, first, second = MessageRouter(), [], []
    router.register(["a", "b"], first.append)
    router.register(["c"], second.append)
    messages = [Received(topic, b"", retained=False) for topic in ("a", "c", "b", "d")]
    for message in messages:
        router.route(message)
    assert [message.topic for message in first] == ["a", "b"]
    assert [message.topic for message in second] == ["c"]
