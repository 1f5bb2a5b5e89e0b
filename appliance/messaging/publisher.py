"""The publisher: one thread that owns the connection to the broker, and the only module that knows paho.

The thread drives paho's socket itself instead of letting paho run a thread of its own: such a thread dies silently
from an exception in a callback and never reconnects. Here callbacks only note what happened, everything else is done
after them, and the pulse covers the whole. Only what may block for long (name lookup, TCP and TLS) happens in a short-lived
thread for each attempt, so that events are written to the outbox within 200 ms whatever the network does.

Each connection is a new client with a clean start and no session: what was on its way is the outbox's to repeat, and
no command arrives late. Troubles are said once when they begin and once when they are over, never once per try.
"""

import logging
import os
import select
import ssl
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from appliance.messaging import faults
from appliance.messaging.delivery import Delivery, Outgoing
from appliance.messaging.outbox import Outbox
from appliance.messaging.tls import tls_context, wants_tls
from appliance.messaging.topics import OFFLINE, ONLINE, Topics, encode
from appliance.messaging.troubles import BackOff, Troubles
from appliance.settings import MqttSettings
from appliance.supervision import Pulse

log = logging.getLogger(__name__)

BATCH_S = 0.2
"""Events are written within this after they were offered; one fsync for all of them."""

_DELETE_S = 1.0  # acknowledged events wait this long for new ones to share their fsync
_TURN_LIMIT_S = 30.0  # one turn of the thread: an fsync on a bad card takes seconds
_FLAPPING = 3  # connections in a row that ended before they had settled


@dataclass(frozen=True, slots=True)
class Message:
    """What came in. `retained`: the broker had kept it. The last two are MQTT 5's, for an answer."""

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the publisher waits for what.

    Attributes:
        first_s, longest_s: Between attempts to connect, doubling from the first to the longest, with jitter.
        answer_s: For the broker's answer to CONNECT.
        settled_s: A connection this old has proved itself: the back-off begins anew.
    """

    first_s: float = 1.0
    longest_s: float = 30.0
    answer_s: float = 10.0
    settled_s: float = 30.0


class _Connection:
    """One paho client, from CONNECT to its end. Its callbacks only note in `happened` what there was."""

    def __init__(self, client: mqtt.Client):
        self._client = client
        self.happened: deque[tuple[Any, ...]] = deque()
        self.said = ""  # what the socket gave as the reason of an error before the broker answered
        self.since_s = 0.0
        self.accepted = False
        client.on_connect = lambda _client, _data, _flags, reason, properties: self.happened.append(
            ("answer", reason.value, reason.getName(), properties)
        )
        client.on_disconnect = lambda _client, _data, _flags, reason, _properties: self.happened.append(
            ("end", reason.value, reason.getName())
        )
        client.on_publish = lambda _client, _data, mid, reason, _properties: self.happened.append(
            ("published", mid, reason.value, reason.getName())
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
        if message.answers is not None:
            properties = Properties(PacketTypes.PUBLISH)
            properties.CorrelationData = message.answers
        return self._client.publish(message.topic, message.payload, message.qos, message.retain, properties).mid

    def accept(self, subscriptions: Sequence[str], mqtt5: bool) -> None:
        """The broker said yes: subscribe, and stop listening to paho's log, which costs time for each packet."""
        self.accepted = True
        self._client.on_log = None
        if subscriptions:
            self._client.subscribe([(topic, SubscribeOptions(qos=1) if mqtt5 else 1) for topic in subscriptions])

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


class Publisher:
    """Keeps one connection to the broker, and everything durable or retained going through it."""

    def __init__(
        self,
        settings: MqttSettings,
        password: str | None,
        topics: Topics,
        outbox: Outbox,
        subscriptions: Sequence[str],
        on_message: Callable[[Message], None],
        client_id: str,
        *,
        patience: Patience = Patience(),
    ):
        """
        Args:
            settings: The mqtt section.
            password: Of the account; never logged.
            topics: Of this device.
            outbox: Where events wait; the caller closes it after `run` has returned.
            subscriptions: Topics to listen to, QoS 1.
            on_message: Gets what arrives, on the publisher's thread; must not block.
            client_id: Sent to the broker; two clients with the same throw each other out.
            patience: The waiting times.
        """
        self.pulse = Pulse("publisher")
        self.connected = False
        self._settings, self._password, self._topics, self._outbox = settings, password, topics, outbox
        self._subscriptions, self._on_message, self._client_id = tuple(subscriptions), on_message, client_id
        self._patience = patience
        self._mqtt5 = settings.protocol == "5"
        self._port = settings.port or (8883 if wants_tls(settings) else 1883)
        self._broker = f"{settings.host}:{self._port}"
        self._troubles = Troubles()
        self._back_off = BackOff(patience.first_s, patience.longest_s)
        self._delivery = Delivery(outbox, self._troubles.say)
        self._offered: deque[dict[str, Any]] = deque()
        self._asked: deque[Callable[[], None]] = deque()
        self._arrived: deque[_Connection | Exception] = deque()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._wake_fd)
        self._connection: _Connection | None = None
        self._connecting = False
        self._connect_at_s = self._store_at_s = self._delete_at_s = 0.0
        self._short_lives = 0
        self._unsettled = False
        self._stop_at_s: float | None = None
        self._started = False
        self._finished = threading.Event()

    @property
    def trouble(self) -> str | None:
        """What is wrong now, in a sentence; None while all is well."""
        return "; ".join(filter(None, (self._troubles.sentence, self._outbox.trouble))) or None

    def offer(self, event: Mapping[str, Any]) -> None:
        """Hands over a durable event: `{"topic", "payload": dict, "time"?: seconds since 1970 UTC}`, not changed afterwards."""
        self._offered.append({"time": time.time(), **event})
        self._wake()

    def retain(self, topic: str, payload: str | bytes | None, qos: int = 1) -> None:
        """Sets the retained value of a topic; it is sent again on every connect. None clears it."""
        message = Outgoing(topic, _bytes(payload or b""), qos, retain=True)
        self._ask(lambda: self._delivery.retain(message))

    def send(self, topic: str, payload: str | bytes, qos: int = 0) -> None:
        """Sends a message that is worth nothing later: it is dropped while there is no connection."""
        self._send(Outgoing(topic, _bytes(payload), qos))

    def answer(self, message: Message, response: Mapping[str, Any]) -> None:
        """Answers a message where MQTT 5 says, if that is below T/response/; other response topics get nothing."""
        topic = message.response_topic
        if topic and topic.startswith(self._topics.responses) and not set("+#\0") & set(topic):
            self._send(Outgoing(topic, encode(response), 1, answers=message.correlation))

    def run(self) -> None:
        """The publisher thread's whole life; returns after `stop`."""
        self._started = True
        try:
            while self._stop_at_s is None:
                self._turn()
            self._say_goodbye(self._stop_at_s)
        finally:
            self._drop_connection()
            self._store()
            self._finished.set()

    def stop(self, timeout_s: float) -> None:
        """Stores what was offered, delivers what can be delivered, has `offline` acknowledged, and disconnects.

        Args:
            timeout_s: All this takes no longer; what was not delivered waits in the outbox.
        """
        self._stop_at_s = time.monotonic() + timeout_s * 0.9
        self._wake()
        if self._started:
            self._finished.wait(timeout_s)
        else:
            self._store()

    def _send(self, message: Outgoing) -> None:
        if self.connected:
            self._ask(lambda: self._delivery.send(message))

    def _ask(self, action: Callable[[], None]) -> None:
        self._asked.append(action)
        self._wake()

    def _wake(self) -> None:
        os.eventfd_write(self._wake_fd, 1)

    def _turn(self) -> None:
        try:
            with self.pulse.within(_TURN_LIMIT_S, "writing to the outbox or to the broker"):
                self._wait(time.monotonic())
                self._work(time.monotonic())
        except Exception:  # the thread outlives every fault, or nothing would be stored any more
            log.exception("the connection to %s is begun anew after a fault in this program", self._broker)
            self._failed("the connection was given up after a fault in this program (see the log)")

    def _work(self, now_s: float) -> None:
        if (self._offered and now_s >= self._store_at_s) or now_s >= self._delete_at_s:
            self._store()
        while self._asked:
            self._asked.popleft()()
        while self._arrived:
            self._take(self._arrived.popleft(), now_s)
        while self._connection and self._connection.happened:
            self._handle(self._connection, self._connection.happened.popleft(), now_s)
        if self._connection is None:
            if not self._connecting and self._stop_at_s is None and now_s >= self._connect_at_s:
                self._connecting = True
                threading.Thread(target=self._connect, name="broker-connect", daemon=True).start()
        elif self.connected:
            self._delivery.fill(self._connection, now_s)
            self._settle(now_s - self._connection.since_s)
        elif now_s >= self._connection.since_s + self._patience.answer_s:
            self._failed(faults.unanswered(self._broker))

    def _wait(self, now_s: float) -> None:
        moments_s = [now_s + 1.0, self._delete_at_s]
        if self._offered:
            moments_s.append(self._store_at_s)
        if self._connection is None and not self._connecting:
            moments_s.append(self._connect_at_s)
        if self._connection and self._connection.happened:
            moments_s.append(now_s)
        timeout_s = max(0.0, min(moments_s) - now_s)
        if self._connection:
            self._connection.wait(self._wake_fd, timeout_s)
        else:
            select.select([self._wake_fd], [], [], timeout_s)
        try:
            os.eventfd_read(self._wake_fd)
        except BlockingIOError:
            pass  # the network woke us, or the time

    def _store(self) -> None:
        events = []
        while self._offered:
            events.append(self._offered.popleft())
        self._outbox.append(events)
        now_s = time.monotonic()
        self._store_at_s, self._delete_at_s = now_s + BATCH_S, now_s + _DELETE_S
        if events:
            self._delivery.more_events()

    def _connect(self) -> None:
        """One attempt, on a thread of its own: what it gives goes back through a queue."""
        try:
            self._arrived.append(self._opened())
        except Exception as error:  # noqa: BLE001 - turned into a sentence by the publisher's thread
            self._arrived.append(error)
        self._wake()
        if self._finished.is_set():
            self._close_arrived()

    def _opened(self) -> _Connection:
        protocol = mqtt.MQTTv5 if self._mqtt5 else mqtt.MQTTv311
        clean = {} if self._mqtt5 else {"clean_session": True}
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, self._client_id, protocol=protocol, reconnect_on_failure=False, **clean
        )
        client.connect_timeout = self._patience.answer_s
        if self._settings.username:
            client.username_pw_set(self._settings.username, self._password)
        if wants_tls(self._settings):
            client.tls_set_context(tls_context(self._settings))
        client.will_set(self._topics.availability, OFFLINE, qos=1, retain=True)
        connection = _Connection(client)
        fresh: dict[str, Any] = {}
        if self._mqtt5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 0
            fresh = {"clean_start": True, "properties": properties}
        client.connect(self._settings.host, self._port, self._settings.keepalive_s, **fresh)
        return connection

    def _take(self, arrived: _Connection | Exception, now_s: float) -> None:
        self._connecting = False
        if isinstance(arrived, Exception):
            log.debug("connecting to %s: %r", self._broker, arrived)
            self._failed(faults.connecting(arrived, self._broker, self._settings))
        else:
            arrived.since_s = now_s
            self._connection = arrived

    def _handle(self, connection: _Connection, what: tuple[Any, ...], now_s: float) -> None:
        match what:
            case "published", number, code, name:
                self._delivery.acknowledged(number, code, name, now_s)
            case "message", message:
                self._receive(message)
            case "answer", code, name, properties:
                if code:
                    will = self._topics.availability
                    self._failed(faults.refused_connection(code, name, self._broker, self._settings, self._client_id, will))
                else:
                    self._accepted(connection, properties, now_s)
            case "subscribed", answers:
                for topic, (code, name) in zip(self._subscriptions, answers, strict=False):
                    refused = faults.refused_subscription(topic, name) if code >= faults.REFUSED_FROM else None
                    self._troubles.say(f"subscription {topic}", refused)
            case "end", code, name:
                if connection.accepted:
                    self._lost(code, name, now_s - connection.since_s)
                else:
                    self._failed(faults.closed_unanswered(connection.said, self._broker, self._settings))

    def _receive(self, message: mqtt.MQTTMessage) -> None:
        properties = message.properties
        response_topic, correlation = getattr(properties, "ResponseTopic", None), getattr(properties, "CorrelationData", None)
        try:
            self._on_message(Message(message.topic, message.payload, message.retain, response_topic, correlation))
        except Exception:
            log.exception("a message that came in could not be handled")

    def _accepted(self, connection: _Connection, properties: Any, now_s: float) -> None:
        connection.since_s = now_s
        connection.accept(self._subscriptions, self._mqtt5)
        self._delivery.connected(getattr(properties, "ReceiveMaximum", None), getattr(properties, "MaximumPacketSize", None))
        # Last among what is retained: whoever sees the device come online finds its values in place.
        self._delivery.retain(Outgoing(self._topics.availability, ONLINE.encode(), 1, retain=True))
        self.connected = True
        if not self._unsettled:
            self._announce()

    def _announce(self) -> None:
        self._troubles.over("connection")
        log.info("connected to %s; %d events waiting", self._broker, self._outbox.waiting)

    def _settle(self, age_s: float) -> None:
        """A connection that has lasted proves that whatever ended the ones before it is over."""
        if age_s >= self._patience.settled_s and (self._unsettled or self._short_lives or not self._back_off.fresh):
            self._back_off.reset()
            self._short_lives = 0
            if self._unsettled:
                self._unsettled = False
                self._announce()

    def _lost(self, code: int, name: str, age_s: float) -> None:
        self._short_lives = self._short_lives + 1 if age_s < self._patience.settled_s else 0
        sentence = faults.lost(code, name, self._broker, self._client_id)
        taken_over = code == faults.SESSION_TAKEN_OVER
        if not taken_over and self._short_lives >= _FLAPPING:
            sentence = faults.flapping(self._broker, self._client_id)
        if self._unsettled and not taken_over:
            sentence = None
        self._failed(sentence, unsettled=self._unsettled or taken_over or self._short_lives >= _FLAPPING)

    def _failed(self, sentence: str | None, unsettled: bool = False) -> None:
        """There is no connection, for this reason (None: the one that was said); the next attempt follows after a while.

        `unsettled`: a new connection alone does not mean that the trouble is over.
        """
        self._drop_connection()
        if sentence:
            self._troubles.say("connection", sentence)
        self._unsettled = unsettled
        self._connect_at_s = time.monotonic() + self._back_off.next_s()

    def _drop_connection(self, farewell: bool = False) -> None:
        self.connected = False
        if self._connection:
            self._connection.close(farewell)
            self._connection = None
            self._delivery.disconnected()

    def _say_goodbye(self, until_s: float) -> None:
        self._store()
        last_word_s = until_s - min(1.0, (until_s - time.monotonic()) / 3)
        while self.connected and not self._delivery.idle and time.monotonic() < last_word_s:
            self._turn()
        offline = Outgoing(self._topics.availability, OFFLINE.encode(), 1, retain=True)
        self._delivery.retain(offline)
        while self.connected and self._delivery.is_unanswered(offline.topic) and time.monotonic() < until_s:
            self._turn()
        # Without an acknowledgement the socket is closed instead: then the broker publishes the will, which says the same.
        self._drop_connection(farewell=self.connected and not self._delivery.is_unanswered(offline.topic))
        self._close_arrived()

    def _close_arrived(self) -> None:
        while self._arrived:
            if isinstance(arrived := self._arrived.popleft(), _Connection):
                arrived.close(farewell=False)


def _bytes(payload: str | bytes) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload
