"""One connection to the broker, opened and driven without a thread; this is the only module that uses paho.

paho's callbacks only append to `Connection.events`; the caller reads and handles them. paho's own network thread would
end silently if a callback raised an exception, and would never reconnect.
"""

import logging
import select
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from appliance.messaging.mqtt.message import (
    FIRST_ERROR_CODE,
    INVALID_PACKET_CODE,
    Connected,
    ConnectionEvent,
    ConnectRefused,
    Disconnected,
    Outgoing,
    Oversized,
    Published,
    Reason,
    Received,
    Subscribed,
)
from appliance.messaging.mqtt.tls import create_tls_context, is_tls_wanted
from appliance.settings.schema import MqttSettings
from appliance.system.foreign_text import clean_text

log = logging.getLogger("appliance.mqtt")

UNSPECIFIED_ERROR = Reason(FIRST_ERROR_CODE, "Unspecified error")

MAXIMUM_PACKET_BYTES = 1_000_000
"""The largest packet that is accepted from a broker; a command has at most a few hundred bytes."""

_RECEIVE_MAXIMUM = 20  # messages that the broker may send before one is acknowledged (MQTT 5)
_READ_BYTES = 65_536
_PROTOCOL_ERROR = 0x82
_PUBLISH, _QOS_2 = 0x30, 0x04  # OASIS MQTT 5.0, 2.1.2 and 3.3.1
_LONGEST_TOPIC_CHARACTERS = 200


class BoundedClient(mqtt.Client):
    """A paho client that ends the connection before it reads a packet that is too large.

    MQTT 3.1.1 has no property for this, and paho's reader accepts up to 256 MB. This overrides two private members of
    paho; tests/messaging/mqtt/test_connection.py names the versions for which this was tested.
    """

    on_oversized: Callable[[str, int], None]

    def _sock_recv(self, bufsize: int) -> bytes:
        # paho reads the header byte by byte, and then asks for the whole rest of the packet.
        if bufsize > 1:
            packet = self._in_packet
            is_message = packet["command"] & 0xF0 == _PUBLISH
            if bufsize > MAXIMUM_PACKET_BYTES:
                self.on_oversized(self._read_topic() if is_message else "", packet["remaining_length"])
                raise OSError("the packet is too large")
            if is_message and packet["command"] & _QOS_2:
                # paho would keep such messages in memory; no subscription of this program allows them.
                raise OSError("a message with QoS 2 was not subscribed to")
            bufsize = min(bufsize, _READ_BYTES)
        return bytes(super()._sock_recv(bufsize))

    def _read_topic(self) -> str:
        """Return the topic at the begin of the packet, as far as it has arrived."""
        try:
            begin = super()._sock_recv(_READ_BYTES)
        except OSError:
            return ""
        length = int.from_bytes(begin[:2], "big")
        return clean_text(begin[2 : 2 + length].decode(errors="replace"), _LONGEST_TOPIC_CHARACTERS)


class Connection:
    """One paho client, from CONNECT to the end of the connection.

    Attributes:
        events: Events that have not been handled yet, oldest first.
        error_text: The socket error that occurred before the broker answered CONNECT; empty if there was none.
    """

    def __init__(self, client: BoundedClient, *, mqtt5: bool):
        self._client = client
        self._mqtt5 = mqtt5
        self.events: deque[ConnectionEvent] = deque()
        self.error_text = ""
        client.on_connect = self._note_connect
        client.on_disconnect = lambda _client, _data, flags, reason, _properties: self.events.append(
            Disconnected(_to_disconnect_reason(reason, by_broker=flags.is_disconnect_packet_from_server))
        )
        client.on_publish = lambda _client, _data, packet_id, reason, _properties: self.events.append(
            Published(packet_id, _to_reason(reason))
        )
        client.on_subscribe = lambda _client, _data, _packet_id, reasons, _properties: self.events.append(
            Subscribed(tuple(map(_to_reason, reasons)))
        )
        client.on_message = self._note_message
        client.on_oversized = lambda topic, size_bytes: self.events.append(Oversized(topic, size_bytes))
        client.on_log = self._note_error

    @property
    def is_clogged(self) -> bool:
        """Whether bytes are waiting that the network does not accept yet."""
        return self._client.want_write()

    def publish(self, message: Outgoing) -> int:
        """Publish a message; return its packet identifier.

        Raises:
            ValueError: MQTT does not allow the topic or the payload.
        """
        properties = None
        if self._mqtt5 and (message.correlation is not None or message.user_properties):
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho's is not annotated
            if message.correlation is not None:
                properties.CorrelationData = message.correlation
            if message.user_properties:
                properties.UserProperty = list(message.user_properties)
        return self._client.publish(message.topic, message.payload, message.qos, message.retain, properties).mid

    def subscribe(self, topics: Sequence[str], own_topics: Sequence[str] = ()) -> None:
        """Subscribe to topics with QoS 1; call it once, after the broker has accepted CONNECT.

        Args:
            topics: Topics of commands; the retain flag of a message is kept.
            own_topics: Topics that this client publishes itself; the retain flag marks former messages.
        """
        # paho's log is not needed from here on, and it takes time for each packet.
        self._client.on_log = None
        if not topics and not own_topics:
            return
        if self._mqtt5:
            # Only this option keeps the retain flag on a command that arrives live; MQTT 3.1.1 has no such option.
            options, own = SubscribeOptions(qos=1, retainAsPublished=True), SubscribeOptions(qos=1)
            self._client.subscribe([(topic, options) for topic in topics] + [(topic, own) for topic in own_topics])
        else:
            self._client.subscribe([(topic, 1) for topic in (*topics, *own_topics)])

    def wait(self, wake_fd: int, timeout_s: float) -> None:
        """Wait until the network or `wake_fd` is ready, then read and write as much as possible without blocking."""
        sock = self._client.socket()
        if sock is None:
            self._note_end()
            return
        poll = select.poll()
        poll.register(wake_fd, select.POLLIN)
        poll.register(sock.fileno(), select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        ready = dict(poll.poll(0 if pending else timeout_s * 1000))
        flags = ready.get(sock.fileno(), 0)
        if pending or flags & ~select.POLLOUT:
            self._client.loop_read()
        if flags & select.POLLOUT:
            self._client.loop_write()
        if self._client.loop_misc() != mqtt.MQTT_ERR_SUCCESS:
            self._note_end()

    def close(self, *, farewell: bool) -> None:
        """Close the connection.

        Args:
            farewell: Whether to send DISCONNECT, so that the broker does not publish the will.
        """
        try:
            if farewell:
                self._client.disconnect()
            if sock := self._client.socket():
                sock.close()
        except (OSError, ValueError) as error:
            log.debug("closing the connection failed: %s", error)

    def _note_end(self) -> None:
        if not any(isinstance(event, Disconnected) for event in self.events):
            self.events.append(Disconnected(UNSPECIFIED_ERROR))

    def _note_connect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.value:
            self.events.append(ConnectRefused(_to_reason(reason)))
            return
        # paho sets an attribute only for a property that the broker sent.
        self.events.append(
            Connected(
                getattr(properties, "ReceiveMaximum", None),
                getattr(properties, "MaximumPacketSize", None),
                getattr(properties, "MaximumQoS", 2),
                bool(getattr(properties, "RetainAvailable", 1)),
            )
        )

    def _note_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        properties = message.properties
        response_topic = getattr(properties, "ResponseTopic", None)
        correlation = getattr(properties, "CorrelationData", None)
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # no topic of this program
        users = tuple(map(tuple, getattr(properties, "UserProperty", ())))
        self.events.append(
            Received(topic, bytes(message.payload), bool(message.retain), response_topic, correlation, users)
        )

    def _note_error(self, _client: mqtt.Client, _data: Any, level: int, text: str) -> None:
        if level == mqtt.MQTT_LOG_ERR:
            self.error_text = text


def open_connection(
    settings: MqttSettings, password: str | None, client_id: str, will: Outgoing | None, timeout_s: float
) -> Connection:
    """Connect and send CONNECT, with a clean start and no session; block for name lookup, TCP and TLS.

    Args:
        settings: The mqtt section.
        password: The account's password.
        client_id: The MQTT client id.
        will: The message that the broker publishes if this connection breaks; None for none.
        timeout_s: The time limit of the TCP connection and the TLS handshake.

    Raises:
        OSError, ssl.SSLError, MessagingError: The connection failed (errors.describe_connect_error explains it).
    """
    mqtt5 = settings.protocol == "5"
    client = BoundedClient(
        CallbackAPIVersion.VERSION2,
        client_id,
        clean_session=None if mqtt5 else True,
        protocol=mqtt.MQTTv5 if mqtt5 else mqtt.MQTTv311,
        reconnect_on_failure=False,
    )
    client.connect_timeout = timeout_s
    if settings.username:
        client.username_pw_set(settings.username, password)
    if is_tls_wanted(settings):
        client.tls_set_context(create_tls_context(settings))
    if will:
        client.will_set(will.topic, will.payload, will.qos, will.retain)
    connection = Connection(client, mqtt5=mqtt5)
    if mqtt5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's is not annotated
        properties.SessionExpiryInterval = 0
        properties.MaximumPacketSize = MAXIMUM_PACKET_BYTES
        properties.ReceiveMaximum = _RECEIVE_MAXIMUM
        client.connect(
            settings.host, broker_port(settings), settings.keepalive_s, clean_start=True, properties=properties
        )
    else:
        client.connect(settings.host, broker_port(settings), settings.keepalive_s)
    return connection


def broker_port(settings: MqttSettings) -> int:
    """Return the broker's port: mqtt.port if it is set, otherwise 8883 with TLS and 1883 without."""
    return settings.port or (8883 if is_tls_wanted(settings) else 1883)


def _to_disconnect_reason(code: ReasonCode, *, by_broker: bool) -> Reason:
    if not by_broker and code.value == _PROTOCOL_ERROR:
        return Reason(INVALID_PACKET_CODE, "the broker sent an invalid packet")
    return _to_reason(code)


def _to_reason(code: ReasonCode) -> Reason:
    # Looking up the name is slow, and the name of success is never used.
    return Reason(code.value, code.getName() if code.value else "")
