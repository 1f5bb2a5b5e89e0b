"""The publisher: one thread that owns the connection to the broker.

The thread drives paho's socket itself instead of letting paho run a thread of its own: such a thread dies silently
from an exception in a callback and never reconnects. Here callbacks only note what happened, everything else is done
after them, and the pulse covers the whole. A connection is connection.py's part, keeping one up link.py's, and what goes
over it delivery.py's.

Each connection is a new client with a clean start and no session: what was on its way is the outbox's to repeat, and
no command arrives late.
"""

import logging
import os
import select
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from appliance.messaging.delivery import Delivery
from appliance.messaging.mqtt import errors as faults
from appliance.messaging.mqtt.conditions import ConditionLog
from appliance.messaging.mqtt.connection import Connection, broker_port, open_connection
from appliance.messaging.mqtt.message import Message, Outgoing
from appliance.messaging.mqtt.reconnect import BrokerAddress, BrokerLink, ConnectionTimeouts
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.payloads import encode
from appliance.messaging.topics import OFFLINE, ONLINE, Topics
from appliance.settings.schema import MqttSettings
from appliance.system.threads import Heartbeat

log = logging.getLogger(__name__)

BATCH_S = 0.2
"""Events are written within this after they were offered; one fsync for all of them."""

_DELETE_S = 1.0  # acknowledged events wait this long for new ones to share their fsync
_TURN_LIMIT_S = 30.0  # one turn of the thread: an fsync on a bad card takes seconds


class MqttPublisher:
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
        patience: ConnectionTimeouts = ConnectionTimeouts(),
    ):
        """Args:
        settings: The mqtt section.
        password: Of the account; never logged.
        topics: Of this device.
        outbox: Where events wait; the caller closes it after `run` has returned.
        subscriptions: Topics to listen to, QoS 1.
        on_message: Gets what arrives, on the publisher's thread; must not block.
        client_id: Sent to the broker; two clients with the same throw each other out.
        patience: The waiting times.
        """
        self.pulse = Heartbeat("publisher")
        self._settings, self._password, self._topics, self._outbox = settings, password, topics, outbox
        self._subscriptions, self._on_message, self._client_id = tuple(subscriptions), on_message, client_id
        self._patience = patience
        self._port = broker_port(settings)
        self._troubles = ConditionLog()
        self._delivery = Delivery(outbox, self._troubles.say, patience.refused_s)
        self._link = BrokerLink(
            self._opened,
            BrokerAddress(settings, f"{settings.host}:{self._port}", client_id, topics.availability),
            patience,
            self._troubles,
            wake=self._wake,
            waiting=lambda: outbox.waiting,
            dropped=lambda code: self._delivery.disconnected(code, time.monotonic()),
            settled=self._delivery.settled,
        )
        self._offered: deque[dict[str, Any]] = deque()
        self._asked: deque[Callable[[], None]] = deque()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._wake_fd)
        self._store_at_s = self._delete_at_s = 0.0
        self._stop_at_s: float | None = None
        self._started = False
        self._finished = threading.Event()

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted a connection that still stands."""
        return self._link.connected

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
            self._send(Outgoing(topic, encode(response), 1, correlation=message.correlation))

    def run(self) -> None:
        """The publisher thread's whole life; returns after `stop`."""
        self._started = True
        try:
            while self._stop_at_s is None:
                self._turn()
            self._say_goodbye(self._stop_at_s)
        finally:
            self._link.retire()
            self._link.drop(farewell=False)
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
            log.exception("the connection to the broker is begun anew after a fault in this program")
            self._link.failed("the connection was given up after a fault in this program (see the log)")

    def _work(self, now_s: float) -> None:
        if (self._offered and now_s >= self._store_at_s) or now_s >= self._delete_at_s:
            self._store()
        while self._asked:
            self._asked.popleft()()
        link = self._link
        while link.connection and link.connection.happened:
            self._handle(link.connection, link.connection.happened.popleft(), now_s)
        link.tend(now_s)
        if link.connected:
            self._delivery.fill(link.connection, now_s)

    def _wait(self, now_s: float) -> None:
        link = self._link
        moments_s = [now_s + 1.0, self._delete_at_s, self._delivery.next_s]
        if self._offered:
            moments_s.append(self._store_at_s)
        if link.connection is None and not link.connecting:
            moments_s.append(link.connect_at_s)
        if link.connection and link.connection.happened:
            moments_s.append(now_s)
        timeout_s = max(0.0, min(moments_s) - now_s)
        if link.connection:
            link.connection.wait(self._wake_fd, timeout_s)
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

    def _opened(self) -> Connection:
        return open_connection(
            self._settings, self._password, self._client_id, self._topics.availability, self._patience.answer_s
        )

    def _handle(self, connection: Connection, what: tuple[Any, ...], now_s: float) -> None:
        match what:
            case "published", number, code, name:
                self._delivery.acknowledged(number, code, name, now_s)
            case "message", message:
                self._receive(message)
            case "answer", code, name, properties:
                if self._link.answered(code, name, now_s):
                    self._accepted(connection, properties)
            case "subscribed", answers:
                for topic, (code, name) in zip(self._subscriptions, answers, strict=False):
                    refused = faults.refused_subscription(topic, name) if code >= faults.REFUSED_FROM else None
                    self._troubles.say(f"subscription {topic}", refused)
            case "end", code, name:
                self._link.ended(code, name, now_s)

    def _receive(self, message: Any) -> None:
        properties = message.properties
        response_topic, correlation = (
            getattr(properties, "ResponseTopic", None),
            getattr(properties, "CorrelationData", None),
        )
        try:
            self._on_message(Message(message.topic, message.payload, message.retain, response_topic, correlation))
        except Exception:
            log.exception("a message that came in could not be handled")

    def _accepted(self, connection: Connection, properties: Any) -> None:
        connection.accept(self._subscriptions)
        window, limit_bytes = (
            getattr(properties, "ReceiveMaximum", None),
            getattr(properties, "MaximumPacketSize", None),
        )
        self._delivery.connected(window, limit_bytes, self._link.careful)
        # Last among what is retained: whoever sees the device come online finds its values in place.
        self._delivery.retain(Outgoing(self._topics.availability, ONLINE.encode(), 1, retain=True))

    def _say_goodbye(self, until_s: float) -> None:
        self._link.retire()
        self._store()
        last_word_s = until_s - min(1.0, (until_s - time.monotonic()) / 3)
        while self.connected and not self._delivery.idle and time.monotonic() < last_word_s:
            self._turn()
        offline = Outgoing(self._topics.availability, OFFLINE.encode(), 1, retain=True)
        self._delivery.retain(offline)
        self._wake()
        while self.connected and self._delivery.is_unanswered(offline.topic) and time.monotonic() < until_s:
            self._turn()
        # Without an acknowledgement the socket is closed instead: then the broker publishes the will, which says the same.
        self._link.drop(farewell=self.connected and not self._delivery.is_unanswered(offline.topic))


def _bytes(payload: str | bytes) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload
