"""Send a message through the broker and receive it back, for `appliance check`.

This uses a separate connection with a separate client id and no will, so that it neither disconnects a running daemon
nor marks the daemon offline.
"""

import os
import secrets
import time
from collections.abc import Iterator

from appliance.errors import MessagingError
from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.connection import Connection, broker_port, open_connection
from appliance.messaging.mqtt.message import (
    Connected,
    ConnectionEvent,
    ConnectRefused,
    Disconnected,
    Outgoing,
    Published,
    Received,
    Subscribed,
)
from appliance.messaging.topics import Topics
from appliance.settings.schema import MqttSettings


def measure_round_trip(
    settings: MqttSettings, password: str | None, topics: Topics, client_id: str, limit_s: float = 10.0
) -> float:
    """Publish a message to a topic of the device and wait until it returns.

    Args:
        settings: The mqtt section.
        password: The account's password.
        topics: The device's topics; the message goes to a topic below T/check.
        client_id: The beginning of the MQTT client id; two checks at once have different ids, else each would end the
            other's connection.
        limit_s: The time limit for the whole round trip.

    Returns:
        Seconds from sending to receiving.

    Raises:
        MessagingError: The message did not return; the error describes why.
    """
    broker, client_id = f"{settings.host}:{broker_port(settings)}", f"{client_id}-{secrets.token_hex(3)}"
    try:
        connection = open_connection(settings, password, client_id, None, limit_s)
    except Exception as error:
        raise MessagingError(errors.describe_connect_error(error, broker, settings)) from error
    trip = _RoundTrip(connection, settings, broker, client_id, f"{topics.root}/check/{secrets.token_hex(4)}")
    try:
        for event in iterate_events(connection, time.monotonic() + limit_s):
            if trip.handle(event):
                return time.monotonic() - trip.sent_s
    finally:
        connection.close(farewell=True)
    if trip.sent_s:
        raise MessagingError(
            f"the broker {broker} accepted a message to {trip.topic} but did not return it; allow this device's account"
            " to read that topic"
        )
    raise MessagingError(errors.describe_unanswered(broker))


class _RoundTrip:
    """The steps of a round trip: CONNECT, SUBSCRIBE, PUBLISH, and the message itself, which no other one replaces."""

    def __init__(self, connection: Connection, settings: MqttSettings, broker: str, client_id: str, topic: str):
        self._connection = connection
        self._settings = settings
        self._broker = broker
        self._client_id = client_id
        self.topic = topic
        self.sent_s = 0.0
        self._maximum_qos = 1
        self._payload = secrets.token_hex(16).encode()

    def handle(self, event: ConnectionEvent) -> bool:
        """Take the next step; return whether the message has returned.

        Raises:
            MessagingError: The broker refused a step.
        """
        match event:
            case Connected():
                self._maximum_qos = event.maximum_qos
                self._connection.subscribe([self.topic])
            case ConnectRefused():
                raise MessagingError(
                    errors.describe_refused_connection(
                        event.reason, self._broker, self._settings, self._client_id, None
                    )
                )
            case Subscribed():
                self._publish(event)
            case Published() if event.reason.is_error and self.sent_s:
                raise MessagingError(
                    errors.describe_refused_topics([self.topic], event.reason.name, more=False, durable=False)
                )
            case Received() if self.sent_s and event.topic == self.topic and event.payload == self._payload:
                return True
            case Disconnected() if self.sent_s:
                raise MessagingError(errors.describe_lost(event.reason, self._broker))
            case Disconnected():
                raise MessagingError(errors.describe_closed_unanswered(self._broker, self._settings))
        return False

    def _publish(self, event: Subscribed) -> None:
        if refused := next((reason for reason in event.reasons if reason.is_error), None):
            raise MessagingError(errors.describe_refused_subscription(self.topic, refused))
        self.sent_s = time.monotonic()
        self._connection.publish(Outgoing(self.topic, self._payload, min(1, self._maximum_qos)))


def iterate_events(connection: Connection, until_s: float) -> Iterator[ConnectionEvent]:
    """Yield the events of the connection until a deadline (monotonic)."""
    wake_fd = os.eventfd(0)  # never written to, but `wait` requires one
    try:
        while (left_s := until_s - time.monotonic()) > 0:
            connection.wait(wake_fd, left_s)
            while connection.events:
                yield connection.events.popleft()
    finally:
        os.close(wake_fd)
