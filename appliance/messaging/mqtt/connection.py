"""One connection to the broker, opened and driven without a thread: the only module that knows paho.

paho's callbacks only note what happened; whoever drives the connection reads it and acts. A thread of paho's own would die
silently from an exception in a callback and never reconnect.
"""

import logging
import select
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from appliance.messaging.mqtt import errors as faults
from appliance.messaging.mqtt.message import Outgoing
from appliance.messaging.mqtt.tls import tls_context, wants_tls
from appliance.messaging.topics import OFFLINE
from appliance.settings.schema import MqttSettings

log = logging.getLogger(__name__)


class Connection:
    """One paho client, from CONNECT to its end. Its callbacks only note in `happened` what there was."""

    def __init__(self, client: mqtt.Client, mqtt5: bool):
        self._client = client
        self._mqtt5 = mqtt5
        self.happened: deque[tuple[Any, ...]] = deque()
        self.said = ""  # what the socket gave as the reason of an error before the broker answered
        client.on_connect = lambda _client, _data, _flags, reason, properties: self.happened.append(
            ("answer", reason.value, reason.getName(), properties)
        )
        client.on_disconnect = lambda _client, _data, _flags, reason, _properties: self.happened.append(
            ("end", reason.value, reason.getName())
        )
        client.on_publish = lambda _client, _data, mid, reason, _properties: self.happened.append(
            ("published", mid, reason.value, reason.getName() if reason.value else "")
        )
        client.on_subscribe = lambda _client, _data, _mid, reasons, _properties: self.happened.append(
            ("subscribed", [(reason.value, reason.getName()) for reason in reasons])
        )
        client.on_message = lambda _client, _data, message: self.happened.append(("message", message))
        client.on_log = self._note_error

    @property
    def clogged(self) -> bool:
        """Whether bytes wait that the network does not take at present."""
        return self._client.want_write()

    def publish(self, message: Outgoing) -> int:
        """Puts a message on the wire; returns paho's number for it."""
        properties = None
        if message.correlation is not None:
            properties = Properties(PacketTypes.PUBLISH)
            properties.CorrelationData = message.correlation
        return self._client.publish(message.topic, message.payload, message.qos, message.retain, properties).mid

    def accept(self, subscriptions: Sequence[str]) -> None:
        """The broker said yes: subscribe, and stop listening to paho's log, which costs time for each packet."""
        self._client.on_log = None
        # A command that was sent to be retained is told from others also when it arrives live; MQTT 3.1.1 cannot say so.
        how = SubscribeOptions(qos=1, retainAsPublished=True) if self._mqtt5 else 1
        if subscriptions:
            self._client.subscribe([(topic, how) for topic in subscriptions])

    def wait(self, wake_fd: int, timeout_s: float) -> None:
        """Waits for the network or for `wake_fd`, and does what the network wants."""
        sock = self._client.socket()
        poll = select.poll()
        poll.register(wake_fd, select.POLLIN)
        if sock is None:
            self._ended()
            return
        poll.register(sock.fileno(), select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        ready = dict(poll.poll(0 if pending else timeout_s * 1000))
        events = ready.get(sock.fileno(), 0)
        if pending or events & ~select.POLLOUT:
            self._client.loop_read()
        if events & select.POLLOUT:
            self._client.loop_write()
        if self._client.loop_misc() != mqtt.MQTT_ERR_SUCCESS:
            self._ended()

    def close(self, farewell: bool) -> None:
        """Ends the connection: with DISCONNECT (no will is sent), or by closing the socket (the broker sends the will)."""
        try:
            if farewell:
                self._client.disconnect()
            if sock := self._client.socket():
                sock.close()
        except (OSError, ValueError) as error:
            log.debug("closing the connection: %s", error)

    def _ended(self) -> None:
        if not any(what[0] == "end" for what in self.happened):
            self.happened.append(("end", faults.REFUSED_FROM, "Unspecified error"))

    def _note_error(self, _client: mqtt.Client, _data: Any, level: int, text: str) -> None:
        if level == mqtt.MQTT_LOG_ERR:
            self.said = text


def open_connection(
    settings: MqttSettings, password: str | None, client_id: str, availability: str | None, answer_s: float
) -> Connection:
    """Connects, with a clean start and no session, and sends CONNECT; blocks for name lookup, TCP and TLS.

    Args:
        settings: The mqtt section.
        password: Of the account.
        client_id: Sent to the broker.
        availability: Where the broker says `offline` when this connection breaks; None: nowhere.
        answer_s: For the answer to TCP and TLS.

    Raises:
        OSError, ssl.SSLError, MessagingError: No connection came about (faults.connecting has the sentence).
    """
    mqtt5 = settings.protocol == "5"
    clean = {} if mqtt5 else {"clean_session": True}
    protocol = mqtt.MQTTv5 if mqtt5 else mqtt.MQTTv311
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=protocol, reconnect_on_failure=False, **clean)
    client.connect_timeout = answer_s
    if settings.username:
        client.username_pw_set(settings.username, password)
    if wants_tls(settings):
        client.tls_set_context(tls_context(settings))
    if availability:
        client.will_set(availability, OFFLINE, qos=1, retain=True)
    connection = Connection(client, mqtt5)
    fresh: dict[str, Any] = {}
    if mqtt5:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0
        fresh = {"clean_start": True, "properties": properties}
    client.connect(settings.host, broker_port(settings), settings.keepalive_s, **fresh)
    return connection


def broker_port(settings: MqttSettings) -> int:
    """The broker's port: as set, else 1883, with TLS 8883."""
    return settings.port or (8883 if wants_tls(settings) else 1883)
