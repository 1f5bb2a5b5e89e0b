"""Decide which message to send next, and track acknowledgments: the network-independent part of the publisher.

The order after a reconnect, with a backlog, or on a slow link: durable events, which leave the outbox only when the
broker has acknowledged them; transient messages, which are dropped while disconnected; retained values, which are all
sent again on each connect, the announcement to Home Assistant last; pictures, each of which is sent once. While nothing
waits, the picture of an event precedes it, and values that were set after an event follow it.

All share one window of unacknowledged messages.

Some brokers close the connection instead of refusing a message, or right after refusing it (mosquitto 2.0 does both),
without identifying the message. So the first event to a topic on each connection has a trial, because events must not
be lost; so do messages that may have ended an earlier connection (failures.py).
"""

import json
import logging
from collections import deque

from appliance.messaging.failures import Failures, SentMessage, Trial
from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.conditions import ReportCondition
from appliance.messaging.mqtt.link_speed import LinkSpeed
from appliance.messaging.mqtt.message import Connected, Outgoing, Reason, Wire
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.outbox.stored_rows import OutboxEvent
from appliance.messaging.payloads import LATE_AFTER_S, encode, mark_late
from appliance.messaging.pictures import PictureMessage, PictureQueue
from appliance.messaging.retained_values import RetainedValues
from appliance.messaging.suspects import Key

log = logging.getLogger("appliance.mqtt")

WINDOW = 20
"""The maximum number of unacknowledged messages; a larger window is not faster."""

_SLOW_WINDOW = 2  # on a slow link, so that a new event does not wait behind many values
_MAX_TRANSIENT = 200
_BATCH_EVENTS = 200
_SURVIVAL_S = 1.0  # an event with QoS 0 counts as delivered if the connection survives it for this time
_NEVER_S = float("inf")
_WITH_SNAPSHOT = '"snapshot":true'


class Delivery:
    """The order of messages, the window, and the acknowledgments. Use it on the publisher's thread only."""

    def __init__(self, outbox: Outbox, report: ReportCondition, refused_s: float, last_topic: str = ""):
        """Start without a connection.

        Args:
            outbox: The events to deliver.
            report: Reports a condition: its key, and the description, or None when it is resolved.
            refused_s: How long a topic is paused after its first refusal.
            last_topic: The topic of the announcement to Home Assistant.
        """
        self._outbox, self._report = outbox, report
        self._failures, self._trial, self._link = Failures(report, refused_s), Trial(), LinkSpeed()
        self._retained, self._pictures = RetainedValues(last_topic), PictureQueue()
        self._transient: deque[Outgoing] = deque(maxlen=_MAX_TRANSIENT)
        self._batch, self._suspect_events = deque[OutboxEvent](), deque[OutboxEvent]()
        self._may_have_more = True
        self._in_flight: dict[int, SentMessage] = {}
        self._survivors: deque[tuple[float, int]] = deque()  # events sent with QoS 0: when, id
        self._limits, self._window = Connected(), WINDOW
        self._oversized: set[str] = set()
        self._order = 0
        self._progress_s = 0.0
        self._caught_up = False

    def retain(self, message: Outgoing) -> None:
        """Set a retained value; values are sent in the order in which they were set."""
        self._retained.set(message)
        self._pictures.remove(message.topic)

    def send(self, message: Outgoing) -> None:
        """Send a transient message once, if that is possible now."""
        self._transient.append(message)

    def show(self, picture: PictureMessage, now_s: float) -> None:
        """Send a picture once: before its events if nothing else waits, else after everything else."""
        self._pictures.add(picture, now_s)

    def notify_events(self) -> None:
        """Make the next `fill` look for new events in the outbox."""
        self._may_have_more = True

    def handle_connect(self, limits: Connected) -> None:
        """Prepare for a new connection: all values and unacknowledged events are sent again.

        Args:
            limits: What the broker accepts.
        """
        self._failures.handle_connect()
        self._retained.handle_connect()
        self._link.handle_connect()
        self._limits, self._window = limits, min(WINDOW, limits.receive_maximum or WINDOW)
        self._caught_up = False
        self._reset_events()

    def handle_disconnect(self, reason: Reason | None, now_s: float, *, short: bool) -> bool:
        """Forget which messages were in flight; return whether the one that ended the connection is known.

        Args:
            reason: Why the connection ended; None if the device closed it.
            now_s: Monotonic.
            short: Whether the connection was short.
        """
        explained = reason is not None and self._failures.find_cause(
            self._trial.sent, self._in_flight.values(), reason, now_s, short=short
        )
        self._failures.suspects.forget_connection()
        self._link.handle_disconnect(now_s)
        self._pictures.handle_disconnect()
        self._trial.end()
        for queue in (self._in_flight, self._transient, self._survivors, self._suspect_events):
            queue.clear()
        self._reset_events()
        return explained

    def mark_stable(self) -> None:
        """Note that the connection is stable, so that the next one tries refused topics at once."""
        self._failures.topics.mark_stable()

    def fill(self, wire: Wire, now_s: float) -> None:
        """Publish as many messages as fit in the window."""
        while self._survivors and now_s - self._survivors[0][0] >= _SURVIVAL_S:
            self._confirm_event(self._survivors.popleft()[1])
        if self._trial.is_running(now_s):
            return
        self._end_trial()
        for topic in self._failures.resume_due(now_s):
            self._retained.mark_unsent([topic])
            self._reset_events()
        all_sent = (
            self._send_events(wire, now_s)
            and self._send_transient(wire, now_s)
            and self._send_retained(wire, now_s, suspects=False)
            and self._send_doubtful_events(wire, now_s)
            and self._send_retained(wire, now_s, suspects=True)
        )
        if all_sent and self._trial.sent is None:
            self._caught_up = True
            self._send_pictures(wire, now_s)

    def acknowledge(self, packet_id: int, reason: Reason, now_s: float) -> bool:
        """Handle the broker's answer to a message; return whether it is one (and not just the end of sending)."""
        sent = self._in_flight.pop(packet_id, None)
        if sent is None:
            return False
        self._handle_answer(sent, reason, now_s)
        return bool(sent.message.qos)

    def _handle_answer(self, sent: SentMessage, reason: Reason, now_s: float) -> None:
        self._progress_s = now_s
        if sent.message.qos:
            self._link.note_answer(sent.position, sent.sent_s, now_s)
            self._failures.suspects.note_answer(sent.order, now_s)
        on_trial = self._trial.note_answer(sent, now_s, accepted=not reason.is_error)
        if reason.is_error:
            if self._failures.handle_refusal(sent, reason, now_s):
                # The batch may contain events of this topic; fetch it again without them.
                self._reset_events()
            return
        self._failures.note_success(sent.message.topic)
        if on_trial:
            return
        if sent.event and not sent.message.qos:
            self._survivors.append((now_s, sent.event.id))
        elif sent.event:
            self._confirm_event(sent.event.id)
        else:
            self._retained.note_acknowledged(sent.message)

    def is_unacknowledged(self, topic: str) -> bool:
        """Return whether the broker has not yet acknowledged the retained value of a topic."""
        in_flight = list(self._in_flight.values())  # another thread may ask
        return self._retained.is_unsent(topic) or any(sent.message.topic == topic for sent in in_flight)

    def silent_s(self, now_s: float) -> float:
        """Return for how long the broker has acknowledged nothing although it should have; 0 if it owes no answer."""
        return now_s - self._progress_s if self._in_flight else 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to send or to be acknowledged, except what the broker refuses."""
        events = self._batch or self._suspect_events or self._survivors or self._may_have_more
        return not (self._in_flight or self._retained.unsent or self._transient or events or self._trial.sent)

    @property
    def next_fill_s(self) -> float:
        """When `fill` must be called even if nothing happens (monotonic)."""
        survival_s = self._survivors[0][0] + _SURVIVAL_S if self._survivors else _NEVER_S
        return min(self._trial.until_s or _NEVER_S, self._failures.holds.next_due_s, survival_s)

    def _confirm_event(self, id: int) -> None:
        self._outbox.acknowledge((id,))
        self._failures.note_delivered(id)

    def _end_trial(self) -> None:
        """Complete a trial that has succeeded, if any."""
        if sent := self._trial.sent:
            self._failures.pass_trial(sent)
            if self._trial.acknowledged and sent.event:
                self._confirm_event(sent.event.id)
            elif self._trial.acknowledged:
                self._retained.note_acknowledged(sent.message)
            self._trial.end()

    def _can_send(self, key: Key, topic: str, wire: Wire) -> bool:
        window = _SLOW_WINDOW if self._link.is_slow and key == topic else self._window
        free = self._trial.sent is None and len(self._in_flight) < window and not wire.is_clogged
        return free and not (self._in_flight and self._failures.needs_trial(key, topic))

    # Each method sends messages of one kind, and returns whether all of them fit in the window.

    def _send_events(self, wire: Wire, now_s: float) -> bool:
        while event := self._peek_event():
            if self._failures.suspects.is_suspect(event.id):
                self._suspect_events.append(self._batch.popleft())
            elif self._can_send(event.id, event.topic, wire):
                self._publish_event(wire, self._batch.popleft(), now_s)
            else:
                return False
        return True

    def _send_doubtful_events(self, wire: Wire, now_s: float) -> bool:
        """Send events that may have ended a connection, then those that were refused and are due."""
        holds = self._failures.holds
        while event := self._suspect_events[0] if self._suspect_events else holds.peek_due(now_s):
            if not self._can_send(event.id, event.topic, wire):
                return False
            if self._suspect_events:
                self._suspect_events.popleft()
            else:
                holds.take(event.id)
            self._publish_event(wire, event, now_s)
        return True

    def _send_transient(self, wire: Wire, now_s: float) -> bool:
        if wire.is_clogged:
            self._transient.clear()
        while self._transient:
            topic = self._transient[0].topic
            if not self._can_send(topic, topic, wire):
                return False
            self._publish(wire, self._transient.popleft(), now_s)
        return True

    def _send_retained(self, wire: Wire, now_s: float, *, suspects: bool) -> bool:
        for topic in self._retained.unsent:
            if self._failures.suspects.is_suspect(topic) is not suspects:
                continue
            if not self._can_send(topic, topic, wire):
                return False
            self._retained.note_sent(topic)
            self._publish(wire, self._retained[topic], now_s)
        return True

    def _send_pictures(self, wire: Wire, now_s: float) -> None:
        for picture in self._pictures.iterate_newest():
            topic = picture.message.topic
            if self._in_flight or not self._can_send(topic, topic, wire):
                return
            if picture.requested or self._link.can_carry(picture.message.size_bytes, now_s):
                self._publish_picture(wire, picture, now_s)

    def _peek_event(self) -> OutboxEvent | None:
        if not self._batch and self._may_have_more:
            self._batch.extend(self._outbox.take_batch(_BATCH_EVENTS, self._failures.topics.paused))
            self._may_have_more = bool(self._batch)
        return self._batch[0] if self._batch else None

    def _publish_event(self, wire: Wire, event: OutboxEvent, now_s: float) -> None:
        text = event.payload
        if _WITH_SNAPSHOT in text and not self._show_first(wire, event, now_s):
            text = encode({**json.loads(text), "snapshot": False}).decode()
        if (age_s := self._outbox.age_s(event)) > LATE_AFTER_S:
            text = encode(mark_late(json.loads(text), age_s)).decode()
        self._publish(wire, Outgoing(event.topic, text.encode(), qos=1), now_s, event)

    def _show_first(self, wire: Wire, event: OutboxEvent, now_s: float) -> bool:
        """Send the picture of an event if nothing else waits; return whether it was sent on this connection."""
        id = str(json.loads(event.payload).get("id"))
        if self._pictures.is_shown(id):
            return True
        picture = self._pictures.find(id, now_s) if self._caught_up else None
        if picture is None or wire.is_clogged or self._link.is_slow:
            return False
        topic = picture.message.topic
        doubtful = self._failures.needs_trial(topic, topic)
        if doubtful or not self._link.can_carry(picture.message.size_bytes, now_s):
            return False
        return self._publish_picture(wire, picture, now_s)

    def _publish_picture(self, wire: Wire, picture: PictureMessage, now_s: float) -> bool:
        sent = self._publish(wire, picture.message, now_s, large=True)
        self._pictures.note_sent(picture, shown=sent)
        return sent

    def _publish(
        self, wire: Wire, message: Outgoing, now_s: float, event: OutboxEvent | None = None, *, large: bool = False
    ) -> bool:
        """Publish a message; return whether it was sent."""
        size_bytes = message.size_bytes
        if message.topic in self._failures.topics.paused or self._is_oversized(message.topic, size_bytes):
            return False
        key: Key = event.id if event else message.topic
        on_trial = self._failures.needs_trial(key, message.topic)
        message = self._limits.adapt(message, acknowledged=on_trial)
        try:
            packet_id = wire.publish(message)
        except ValueError as error:
            log.error("a message to %s cannot be sent: %s", message.topic, error)
            return False
        self._order += 1
        position = self._link.note_sent(size_bytes, now_s, large=large)
        self._failures.suspects.note_sent(self._order, key)
        sent = SentMessage(message, event, self._order, position, now_s)
        if on_trial:
            self._trial.start(sent)
        if not self._in_flight:
            self._progress_s = now_s
        if message.qos or event or on_trial:
            self._in_flight[packet_id] = sent
        else:
            self._retained.note_acknowledged(message)
        return True

    def _is_oversized(self, topic: str, size_bytes: int) -> bool:
        limit_bytes = self._limits.maximum_packet_bytes
        if limit_bytes and size_bytes > limit_bytes:
            self._oversized.add(topic)
            self._report(f"size {topic}", errors.describe_oversized(topic, size_bytes, limit_bytes))
            return True
        if topic in self._oversized:
            self._oversized.discard(topic)
            self._report(f"size {topic}", None)
        return False

    def _reset_events(self) -> None:
        self._batch.clear()
        sent = (*self._in_flight.values(), self._trial.sent)
        in_flight = [each.event.id for each in sent if each and each.event]
        elsewhere = [*in_flight, *self._failures.holds.ids, *(id for _, id in self._survivors)]
        self._outbox.release(except_ids=[*elsewhere, *(event.id for event in self._suspect_events)])
        self._may_have_more = True
