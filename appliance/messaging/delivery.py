"""Decide which message to send next, and track acknowledgments: the network-independent part of the publisher.

Three kinds of messages share one window of unacknowledged messages: retained values (only the latest value of each
topic counts; all are sent again on each connect), transient messages (dropped while disconnected), and durable events
from the outbox, which are removed from it only after the broker acknowledges them. A message that the broker refuses is
kept; its topic is paused for a while (refused_topics.py), so that other topics are not delayed.

Some brokers close the connection instead of refusing a message, or right after refusing it (mosquitto 2.0 does both),
without identifying the message. So topics have a trial: the first message to a topic on a connection is sent alone, and
its acknowledgment counts only if the connection then survives for a moment. The topics of events always have a trial;
the others have one only after a short-lived connection.
"""

import json
import logging
from collections import deque
from dataclasses import replace

from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.conditions import ReportCondition
from appliance.messaging.mqtt.message import Outgoing, Reason, Wire
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.outbox.transactions import OutboxEvent
from appliance.messaging.payloads import LATE_AFTER_S, encode, mark_late
from appliance.messaging.refused_topics import RefusedTopics

log = logging.getLogger("appliance.mqtt")

WINDOW = 20
"""The maximum number of unacknowledged messages; a larger window is not faster."""

_QUIET_S = 0.05  # a broker that closes the connection after answering a trial does so within this time
_MAX_TRANSIENT = 200
_BATCH_EVENTS = 200
_OVERHEAD_BYTES = 64  # upper bound for a PUBLISH packet


class Delivery:
    """The order of messages, the window, and the acknowledgments. Use it on the publisher's thread only."""

    def __init__(self, outbox: Outbox, report: ReportCondition, refused_s: float):
        """Start without a connection.

        Args:
            outbox: The events to deliver.
            report: Reports a condition: its key, and the description, or None when it is resolved.
            refused_s: How long a topic is paused after its first refusal.
        """
        self._outbox = outbox
        self._report = report
        self._refused_topics = RefusedTopics(report, refused_s)
        self._retained: dict[str, Outgoing] = {}
        self._unsent: dict[str, None] = {}  # topics whose retained value the broker does not have
        self._transient: deque[Outgoing] = deque(maxlen=_MAX_TRANSIENT)
        self._batch: deque[OutboxEvent] = deque()
        self._may_have_more = True
        self._in_flight: dict[int, Outgoing | OutboxEvent] = {}
        self._window = WINDOW
        self._limit_bytes: int | None = None
        self._oversized: str | None = None
        self._careful = False
        self._tried: set[str] = set()
        self._trial: str | None = None
        self._quiet_until_s: float | None = None
        self._acknowledged_trial: OutboxEvent | None = None

    def retain(self, message: Outgoing) -> None:
        """Set a retained value; values are sent in the order in which they were set."""
        self._retained.pop(message.topic, None)
        self._retained[message.topic] = message
        self._unsent.pop(message.topic, None)
        self._unsent[message.topic] = None

    def send(self, message: Outgoing) -> None:
        """Send a transient message once, if that is possible now."""
        self._transient.append(message)

    def notify_events(self) -> None:
        """Make the next `fill` look for new events in the outbox."""
        self._may_have_more = True

    def handle_connect(self, window: int | None, limit_bytes: int | None, *, careful: bool) -> None:
        """Prepare for a new connection: all retained values and unacknowledged events are sent again.

        Args:
            window: How many unacknowledged messages the broker accepts; None for no limit.
            limit_bytes: The largest packet that the broker accepts; None for no limit.
            careful: Whether the last connection was short for an unknown reason, so that each topic needs a trial.
        """
        self._refused_topics.handle_connect()
        self._unsent = dict.fromkeys(self._retained)
        self._window = min(WINDOW, window or WINDOW)
        self._limit_bytes = limit_bytes
        self._careful = careful
        self._tried.clear()
        self._report("single", None)
        self._report("size", None)

    def handle_disconnect(self, code: int, now_s: float) -> bool:
        """Forget which messages were in flight; the outbox returns their events again.

        Args:
            code: The reason code of the disconnect.
            now_s: Monotonic.

        Returns:
            Whether the message that caused the disconnect is known and was reported.
        """
        explained = self._refused_topics.explain_disconnect(self._trial, code, now_s)
        self._trial = self._quiet_until_s = self._acknowledged_trial = None
        self._in_flight.clear()
        self._transient.clear()
        self._reset_events()
        return explained

    def mark_stable(self) -> None:
        """Note that the connection is stable, so that the next one tries refused topics at once."""
        self._refused_topics.mark_stable()

    def fill(self, wire: Wire, now_s: float) -> None:
        """Publish as many messages as fit in the window."""
        if self._check_trial(now_s):
            return
        for topic in self._refused_topics.resume_due(now_s):
            self._tried.discard(topic)
            if topic in self._retained:
                self._unsent[topic] = None
            self._reset_events()
        if self._send_transient(wire) and self._send_retained(wire):
            self._send_events(wire)

    def acknowledge(self, packet_id: int, reason: Reason, now_s: float) -> None:
        """Handle the broker's answer to a message."""
        message = self._in_flight.pop(packet_id, None)
        if message is None:
            return
        if self._trial == message.topic:
            self._quiet_until_s = now_s + _QUIET_S
        if reason.is_error:
            self._handle_refusal(message, reason, now_s)
            return
        self._refused_topics.record_success(message.topic)
        if isinstance(message, OutboxEvent) and self._trial == message.topic:
            self._acknowledged_trial = message
        elif isinstance(message, OutboxEvent):
            self._outbox.acknowledge((message.id,))
        elif message.retain and not message.payload:
            self._forget(message)

    def is_unacknowledged(self, topic: str) -> bool:
        """Return whether the broker has not yet acknowledged the retained value of a topic."""
        return topic in self._unsent or any(message.topic == topic for message in self._in_flight.values())

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to send or to be acknowledged, except what the broker refuses."""
        return not (
            self._in_flight or self._unsent or self._transient or self._batch or self._may_have_more or self._trial
        )

    @property
    def next_fill_s(self) -> float:
        """When `fill` must be called even if nothing happens (monotonic)."""
        return self._quiet_until_s or float("inf")

    def _check_trial(self, now_s: float) -> bool:
        """Return whether a trial is still running; complete it if it has succeeded."""
        if self._trial is None:
            return False
        if self._quiet_until_s is None or now_s < self._quiet_until_s:
            return True
        self._tried.add(self._trial)
        self._refused_topics.clear_strikes(self._trial)
        if self._acknowledged_trial:
            self._outbox.acknowledge((self._acknowledged_trial.id,))
        self._trial = self._quiet_until_s = self._acknowledged_trial = None
        return False

    def _send_transient(self, wire: Wire) -> bool:
        """Publish the transient messages; return whether all of them fit in the window."""
        if wire.is_clogged:
            self._transient.clear()
        while self._transient:
            if not self._can_send(self._transient[0].topic, wire):
                return False
            self._publish(wire, self._transient.popleft())
        return True

    def _send_retained(self, wire: Wire) -> bool:
        """Publish the unsent retained values; return whether all of them fit in the window."""
        for topic in list(self._unsent):
            if not self._can_send(topic, wire):
                return False
            del self._unsent[topic]
            self._publish(wire, self._retained[topic])
        return True

    def _send_events(self, wire: Wire) -> None:
        """Publish as many events from the outbox as fit in the window."""
        while (event := self._peek_event()) and self._can_send(event.topic, wire, durable=True):
            self._publish_event(wire, self._batch.popleft())

    def _can_send(self, topic: str, wire: Wire, *, durable: bool = False) -> bool:
        free = self._trial is None and len(self._in_flight) < self._window and not wire.is_clogged
        return free and not (self._in_flight and self._needs_trial(topic, durable=durable))

    def _needs_trial(self, topic: str, *, durable: bool) -> bool:
        return topic not in self._tried and (durable or self._careful or self._refused_topics.is_suspect(topic))

    def _peek_event(self) -> OutboxEvent | None:
        if not self._batch and self._may_have_more:
            self._batch.extend(self._outbox.take_batch(_BATCH_EVENTS, self._refused_topics.paused))
            self._may_have_more = bool(self._batch)
        return self._batch[0] if self._batch else None

    def _publish_event(self, wire: Wire, event: OutboxEvent) -> None:
        payload = event.payload.encode()
        if (age_s := self._outbox.age_s(event)) > LATE_AFTER_S:
            payload = encode(mark_late(json.loads(event.payload), age_s))
        self._publish(wire, Outgoing(event.topic, payload, qos=1), event)

    def _publish(self, wire: Wire, message: Outgoing, event: OutboxEvent | None = None) -> None:
        if message.topic in self._refused_topics.paused or self._is_oversized(message):
            return
        if self._needs_trial(message.topic, durable=event is not None):
            self._trial, message = message.topic, replace(message, qos=1)
        try:
            packet_id = wire.publish(message)
        except ValueError as error:
            log.error("a message to %s cannot be sent: %s", message.topic, error)
            self._trial = None
            return
        if message.qos:
            self._in_flight[packet_id] = event or message
        elif message.retain and not message.payload:
            self._forget(message)

    def _is_oversized(self, message: Outgoing) -> bool:
        size_bytes = len(message.topic.encode()) + len(message.payload) + _OVERHEAD_BYTES
        if self._limit_bytes and size_bytes > self._limit_bytes:
            self._oversized = message.topic
            self._report("size", errors.describe_oversized(message.topic, size_bytes, self._limit_bytes))
            return True
        if message.topic == self._oversized:
            self._oversized = None
            self._report("size", None)
        return False

    def _handle_refusal(self, message: Outgoing | OutboxEvent, reason: Reason, now_s: float) -> None:
        durable = isinstance(message, OutboxEvent)
        if durable and reason.code not in (errors.NOT_AUTHORIZED, errors.QUOTA_EXCEEDED):
            # The broker refuses this event, not its topic, so the event is sent again on the next connection.
            self._report("single", errors.describe_refused_message(message.topic, reason))
            return
        self._refused_topics.record_refusal(message.topic, reason.name, now_s, durable=durable)
        # The batch may contain events of this topic; fetch it again without them.
        self._reset_events()

    def _forget(self, cleared: Outgoing) -> None:
        current = self._retained.get(cleared.topic)
        if current is not None and not current.payload:
            del self._retained[cleared.topic]

    def _reset_events(self) -> None:
        self._batch.clear()
        in_flight = [*self._in_flight.values(), self._acknowledged_trial]
        self._outbox.release(except_ids=[message.id for message in in_flight if isinstance(message, OutboxEvent)])
        self._may_have_more = True
