"""Does the broker take a message of this device and give it back? What `appliance check` asks.

A connection of its own, with a client id of its own and without a will, so that a running daemon is neither thrown out
nor called offline by it.
"""

import os
import secrets
import time
from collections.abc import Iterator
from typing import Any

from appliance.errors import MessagingError
from appliance.messaging.mqtt import errors as faults
from appliance.messaging.mqtt.connection import Connection, broker_port, open_connection
from appliance.messaging.mqtt.message import Outgoing
from appliance.messaging.topics import Topics
from appliance.settings.schema import MqttSettings


def round_trip(
    settings: MqttSettings, password: str | None, topics: Topics, client_id: str, limit_s: float = 10.0
) -> float:
    """Sends a message to a topic of the device and waits until it comes back.

    Args:
        settings: The mqtt section.
        password: Of the account.
        topics: The device's; the message goes to a topic below T/check.
        client_id: Not the daemon's.
        limit_s: For the whole.

    Returns:
        Seconds from sending to receiving.

    Raises:
        MessagingError: What is wrong, in one sentence.
    """
    broker = f"{settings.host}:{broker_port(settings)}"
    try:
        connection = open_connection(settings, password, client_id, None, limit_s)
    except Exception as error:
        raise MessagingError(faults.connecting(error, broker, settings)) from error
    topic = f"{topics.root}/check/{secrets.token_hex(4)}"
    sent_s = 0.0
    try:
        for what in _happenings(connection, time.monotonic() + limit_s):
            match what:
                case "answer", 0, _, _:
                    connection.accept([topic])
                case "answer", code, name, _:
                    raise MessagingError(faults.refused_connection(code, name, broker, settings, client_id, None))
                case "subscribed", [(code, name)] if code >= faults.REFUSED_FROM:
                    raise MessagingError(faults.refused_subscription(topic, name))
                case "subscribed", _:
                    sent_s = time.monotonic()
                    connection.publish(Outgoing(topic, b"check", 1))
                case "published", _, code, name if code >= faults.REFUSED_FROM and sent_s:
                    raise MessagingError(faults.refused_topics([topic], False, name, False))
                case "message", _:
                    return time.monotonic() - sent_s
                case "end", code, name:
                    raise MessagingError(
                        faults.lost(code, name, broker) if sent_s else faults.closed_unanswered(broker, settings)
                    )
    finally:
        connection.close(farewell=True)
    if sent_s:
        raise MessagingError(
            f"the broker {broker} took a message for {topic} and did not give it back: see the rights of this device's account"
        )
    raise MessagingError(faults.unanswered(broker))


def _happenings(connection: Connection, until_s: float) -> Iterator[tuple[Any, ...]]:
    """What happens on the connection, until the time is over."""
    wake_fd = os.eventfd(0)  # nobody wakes this; the connection wants one to wait on
    try:
        while (left_s := until_s - time.monotonic()) > 0:
            connection.wait(wake_fd, left_s)
            while connection.happened:
                yield connection.happened.popleft()
    finally:
        os.close(wake_fd)
