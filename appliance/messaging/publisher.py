"""The publisher: one thread that owns the connection to the broker.

The thread drives paho's socket itself instead of letting paho run its own thread, which would end silently if a
callback raised an exception, and would never reconnect. Here the callbacks only record events, which are handled
afterwards, and the heartbeat covers everything. mqtt/connection.py is one connection, mqtt/reconnect.py keeps one open,
and delivery.py decides what is sent over it.

Each connection is a new client with a clean start and no session: the outbox sends again what was in flight, and no
command arrives late.
"""

import contextlib
import logging
import os
import select
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from appliance.messaging.arrivals import Arrivals
from appliance.messaging.availability import AvailabilityTopic
from appliance.messaging.delivery import Delivery
from appliance.messaging.mqtt.broker_limits import BrokerLimits
from appliance.messaging.mqtt.conditions import ConditionLog
from appliance.messaging.mqtt.connection import Connection, broker_port, open_connection
from appliance.messaging.mqtt.message import (
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
from appliance.messaging.mqtt.reconnect import AwaitedPacket, BrokerAddress, BrokerLink, ConnectionTimeouts
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.payloads import Availability, encode
from appliance.messaging.pictures import PictureMessage
from appliance.messaging.topics import Topics
from appliance.settings.schema import MqttSettings
from appliance.system.threads import Heartbeat

log = logging.getLogger("appliance.mqtt")

BATCH_S = 0.2
"""Offered events are written within this time, with one fsync for all of them."""

_DELETE_S = 1.0  # how long the deletion of acknowledged events waits to share an fsync with new ones
_STEP_LIMIT_S = 30.0  # for one step of the thread; an fsync on a bad SD card takes seconds
_DEFAULT_TIMEOUTS = ConnectionTimeouts()


class MqttPublisher:
    """Keeps one connection to the broker, and delivers everything durable or retained over it.

    Attributes:
        heartbeat: The heartbeat of the thread that runs `run`.
    """

    def __init__(
        self,
        settings: MqttSettings,
        password: str | None,
        topics: Topics,
        outbox: Outbox,
        subscriptions: Sequence[str],
        on_message: Callable[[Received], None],
        client_id: str,
        *,
        timeouts: ConnectionTimeouts = _DEFAULT_TIMEOUTS,
    ):
        """Create the publisher; nothing connects before `run`.

        Args:
            settings: The mqtt section.
            password: The account's password; never logged.
            topics: The device's topics.
            outbox: Holds the events; the caller closes it after `run` has returned.
            subscriptions: Topics to subscribe to, with QoS 1.
            on_message: Called with each message that arrives, on the publisher's thread; must not block.
            client_id: The MQTT client id; two clients with the same id disconnect each other.
            timeouts: The waiting times.
        """
        self.heartbeat = Heartbeat("publisher")
        self._settings, self._password, self._topics, self._outbox = settings, password, topics, outbox
        self._subscriptions, self._on_message, self._client_id = tuple(subscriptions), on_message, client_id
        self._timeouts = timeouts
        self._conditions = ConditionLog()
        self._delivery = Delivery(outbox, self._conditions.report, timeouts.refused_s, topics.discovery)
        self._arrivals = Arrivals(self._subscriptions, self._conditions.report)
        broker = f"{settings.host}:{broker_port(settings)}"
        self._limits = BrokerLimits(broker, self._conditions)
        self._availability = AvailabilityTopic(topics.availability, self._conditions.report)
        self._link: BrokerLink[Connection] = BrokerLink(
            self._open_connection,
            BrokerAddress(settings, broker, client_id, topics.availability, topics.device),
            timeouts,
            self._conditions,
            wake=self._wake,
            count_waiting=lambda: outbox.waiting,
            on_disconnect=self._handle_disconnect,
            on_stable=self._delivery.mark_stable,
        )
        self._offered: deque[dict[str, Any] | Callable[[], None]] = deque()  # durable events, and what follows them
        self._actions: deque[Callable[[], None]] = deque()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._wake_fd)
        self._store_at_s = self._delete_at_s = 0.0
        self._stop_at_s: float | None = None
        self._started = False
        self._finished = threading.Event()

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the current connection."""
        return self._link.connected

    @property
    def error(self) -> str | None:
        """The current error conditions with their remedies; None if there are none."""
        return "; ".join(filter(None, (self._conditions.summary, self._outbox.error))) or None

    def offer(self, event: Mapping[str, Any]) -> None:
        """Queue a durable event for the outbox.

        Args:
            event: `{"topic", "payload": dict, "time"?: Unix time in seconds}`; must not change afterwards.
        """
        self._offered.append({"time": time.time(), **event})
        self._wake()

    def retain(self, topic: str, payload: str | bytes | None, qos: int = 1) -> None:
        """Set the retained value of a topic, sent after earlier events and again on every connect. None clears it."""
        # A topic is cleared with QoS 1, because nothing would repeat a clearing that was lost.
        message = Outgoing(topic, _to_bytes(payload or b""), qos if payload else 1, retain=True)
        self._follow(lambda: self._delivery.retain(message))

    def show(
        self,
        topic: str,
        jpeg: bytes,
        user_properties: Sequence[tuple[str, str]] = (),
        event_ids: Collection[str] = (),
        *,
        requested: bool = False,
    ) -> None:
        """Send a retained picture, once: before the events that it belongs to if nothing else waits, else last.

        Args:
            topic: The topic.
            jpeg: The picture.
            user_properties: Names and values that describe it (MQTT 5).
            event_ids: The events that start with it, which are offered after it.
            requested: Whether a person waits for it, so that it is sent even if that takes long.
        """
        message = Outgoing(topic, jpeg, 0, retain=True, user_properties=tuple(user_properties))
        picture = PictureMessage(message, frozenset(event_ids), requested)
        self._follow(lambda: self._delivery.show(picture, time.monotonic()))

    def send(self, topic: str, payload: str | bytes, qos: int = 0) -> None:
        """Send a transient message; drop it if there is no connection."""
        self._send(Outgoing(topic, _to_bytes(payload), qos))

    def is_pending(self, topic: str) -> bool:
        """Return whether the broker does not have the retained value of a topic yet."""
        return not self.connected or bool(self._offered) or self._delivery.is_unacknowledged(topic)

    def answer(self, message: Received, response: Mapping[str, Any]) -> None:
        """Publish the response to a message (MQTT 5) if its response topic is below T/response/; drop it otherwise."""
        topic = message.response_topic
        if topic and topic.startswith(self._topics.responses) and not set("+#\0") & set(topic):
            self._send(Outgoing(topic, encode(response), 1, correlation=message.correlation))

    def run(self) -> None:
        """Run the publisher's thread until `stop`."""
        self._started = True
        try:
            while self._stop_at_s is None:
                self._run_step()
            self._disconnect(self._stop_at_s)
        finally:
            self._link.retire()
            self._link.disconnect(farewell=False)
            self._store()
            self._finished.set()

    def stop(self, timeout_s: float) -> None:
        """Store the offered events, deliver as many as possible, publish `offline`, and disconnect.

        Args:
            timeout_s: The time limit for all of this; events that were not delivered stay in the outbox.
        """
        self._stop_at_s = time.monotonic() + timeout_s * 0.9
        self._wake()
        if self._started:
            self._finished.wait(timeout_s)
        else:
            self._store()

    def _send(self, message: Outgoing) -> None:
        if self.connected:
            self._actions.append(lambda: self._delivery.send(message))
            self._wake()

    def _follow(self, action: Callable[[], None]) -> None:
        """Run an action on the publisher's thread after the events that were offered before it were stored."""
        self._offered.append(action)
        self._wake()

    def _wake(self) -> None:
        os.eventfd_write(self._wake_fd, 1)

    def _run_step(self) -> None:
        try:
            with self.heartbeat.deadline(_STEP_LIMIT_S, "writing to the outbox or to the broker"):
                self._wait(time.monotonic())
                self._process(time.monotonic())
        except Exception:  # the thread must survive every error, or no more events would be stored
            log.exception("unexpected error in the publisher; reconnecting to the broker")
            self._link.schedule_retry("the connection was closed after an unexpected error; see the log")

    def _process(self, now_s: float) -> None:
        while self._offered and callable(follower := self._offered[0]):
            self._offered.popleft()
            follower()
        if (self._offered and now_s >= self._store_at_s) or now_s >= self._delete_at_s:
            self._store()
        while self._actions:
            self._actions.popleft()()
        link = self._link
        while link.connection and link.connection.events:
            self._handle(link.connection, link.connection.events.popleft(), now_s)
        link.poll(now_s)
        if correction := self._availability.poll(now_s):
            self._delivery.retain(correction)
        if link.connected and link.connection:
            self._delivery.fill(link.connection, now_s)
            if self._arrivals.silent_s(now_s) >= self._timeouts.silent_s:
                link.handle_silence(AwaitedPacket.SUBACK, self._timeouts.silent_s)
            elif self._delivery.silent_s(now_s) >= self._timeouts.silent_s:
                link.handle_silence(AwaitedPacket.PUBACK, self._timeouts.silent_s)

    def _wait(self, now_s: float) -> None:
        link = self._link
        moments_s = [now_s + 1.0, self._delete_at_s, self._delivery.next_fill_s]
        if self._offered:
            moments_s.append(now_s if callable(self._offered[0]) else self._store_at_s)
        if link.connection is None and not link.connecting:
            moments_s.append(link.connect_at_s)
        if link.connection and link.connection.events:
            moments_s.append(now_s)
        timeout_s = max(0.0, min(moments_s) - now_s)
        if link.connection:
            link.connection.wait(self._wake_fd, timeout_s)
        else:
            select.select([self._wake_fd], [], [], timeout_s)
        with contextlib.suppress(BlockingIOError):  # the network or the timeout ended the wait
            os.eventfd_read(self._wake_fd)

    def _store(self) -> None:
        """Write the offered events, and delete acknowledged ones; then do what followed the events."""
        offered = []
        while self._offered:
            offered.append(self._offered.popleft())
        events = [item for item in offered if not callable(item)]
        self._outbox.append(events)
        now_s = time.monotonic()
        self._delete_at_s = now_s + _DELETE_S
        if events:
            self._store_at_s = now_s + BATCH_S
            self._delivery.notify_events()
        for item in offered:
            if callable(item):
                item()

    def _open_connection(self) -> Connection:
        will = self._limits.build_will(self._topics.availability, Availability.OFFLINE.encode())
        return open_connection(self._settings, self._password, self._client_id, will, self._timeouts.answer_s)

    def _handle(self, connection: Connection, event: ConnectionEvent, now_s: float) -> None:
        match event:
            case Published():
                if self._delivery.acknowledge(event.packet_id, event.reason, now_s):
                    self._link.note_acknowledgment(AwaitedPacket.PUBACK)
            case Received():
                self._receive(event, now_s)
            case Connected():
                self._link.handle_connack(now_s)
                self._handle_connect(connection, event)
            case ConnectRefused():
                # With MQTT 5, the next attempt asks for less if the will was the cause.
                if self._limits.learn_from_refusal(event.reason):
                    self._link.schedule_retry(None)
                else:
                    self._link.handle_refusal(event.reason)
            case Subscribed():
                self._arrivals.handle_subscribed(event)
                self._link.note_acknowledgment(AwaitedPacket.SUBACK)
            case Oversized():
                self._arrivals.handle_oversized(event, now_s)
            case Disconnected():
                self._link.handle_disconnect(event.reason, now_s)

    def _handle_disconnect(self, reason: Reason | None, short: bool) -> bool:
        now_s = time.monotonic()
        explained = self._arrivals.handle_disconnect()
        return self._delivery.handle_disconnect(None if explained else reason, now_s, short=short) or explained

    def _receive(self, message: Received, now_s: float) -> None:
        if message.topic == self._topics.availability:
            self._availability.handle_message(message, now_s)
            return
        try:
            self._on_message(message)
        except Exception:
            log.exception("handling a message on %s failed", message.topic)

    def _handle_connect(self, connection: Connection, event: Connected) -> None:
        now_s = time.monotonic()
        self._limits.update(event)
        connection.subscribe(self._arrivals.handle_connect(now_s), [self._topics.availability])
        self._delivery.handle_connect(event)
        # Sent after all other retained values, so that a client that sees the device come online finds them in place.
        self._delivery.retain(self._availability.handle_connect())

    def _disconnect(self, until_s: float) -> None:
        self._link.retire()
        self._store()
        flush_until_s = until_s - min(1.0, (until_s - time.monotonic()) / 3)
        while self.connected and not self._delivery.is_idle and time.monotonic() < flush_until_s:
            self._run_step()
        offline = self._availability.build(Availability.OFFLINE)
        self._delivery.retain(offline)
        self._wake()
        while self.connected and self._delivery.is_unacknowledged(offline.topic) and time.monotonic() < until_s:
            self._run_step()
        # Without an acknowledgment, only close the socket, so that the broker publishes the will, which is the same.
        acknowledged = self.connected and not self._delivery.is_unacknowledged(offline.topic)
        self._link.disconnect(farewell=acknowledged)


def _to_bytes(payload: str | bytes) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload
