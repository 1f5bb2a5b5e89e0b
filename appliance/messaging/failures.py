"""Handle messages that the broker refuses, or that end the connection: what to pause, and what to report.

A refusal of the topic pauses the topic (refused_topics.py), a refusal of a single event keeps that event back
(event_holds.py), and a message that may have ended the connection has a trial (suspects.py): it is sent alone, and its
acknowledgment counts only if the connection then survives for a moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.messaging.event_holds import MAX_HELD, EventHolds
from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.conditions import ReportCondition
from appliance.messaging.mqtt.message import Outgoing, Reason
from appliance.messaging.outbox.stored_rows import OutboxEvent
from appliance.messaging.refused_topics import RefusedTopics
from appliance.messaging.suspects import QUIET_S, Key, Suspects, is_blameless, is_reason

_LARGE_BYTES = 1024  # the size of a smaller message is hardly the reason for a disconnect
_NONE_BYTES = float("inf")
_PASSING_PARTS = 12  # a refusal that may pass pauses for this part of the pause of any other


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that was sent.

    Attributes:
        message: The message.
        event: Its event in the outbox; None if it is no event.
        order: Counts the messages, from 1.
        position: The position of its end among all bytes of the connection.
        sent_s: When it was sent, monotonic.
    """

    message: Outgoing
    event: OutboxEvent | None
    order: int
    position: int
    sent_s: float

    @property
    def key(self) -> Key:
        """Identifies the message for `Suspects`."""
        return self.event.id if self.event else self.message.topic


class Trial:
    """A message that is sent alone. All times are monotonic.

    Attributes:
        sent: The message; None while there is no trial.
        acknowledged: Whether the broker accepted it.
        until_s: Until when the connection must survive; None before the broker has answered.
    """

    def __init__(self) -> None:
        self.sent: SentMessage | None = None
        self.acknowledged = False
        self.until_s: float | None = None

    def start(self, sent: SentMessage) -> None:
        """Start the trial of a message that was just sent."""
        self.sent = sent

    def note_answer(self, sent: SentMessage, now_s: float, *, accepted: bool) -> bool:
        """Note the broker's answer to a message; return whether that is the message on trial."""
        if self.sent is None or self.sent.order != sent.order:
            return False
        self.until_s, self.acknowledged = now_s + QUIET_S, accepted
        return True

    def is_running(self, now_s: float) -> bool:
        """Return whether nothing else may be sent."""
        return self.sent is not None and (self.until_s is None or now_s < self.until_s)

    def end(self) -> None:
        """End the trial."""
        self.sent, self.acknowledged, self.until_s = None, False, None


class Failures:
    """Refusals, suspects and what is kept back because of them. Use it on the publisher's thread only.

    Attributes:
        topics: The topics to which the broker accepts no messages.
        holds: The events that are kept back.
        suspects: The messages that may have ended a connection.
    """

    def __init__(self, report: ReportCondition, refused_s: float):
        """Start without failures.

        Args:
            report: Reports a condition: its key, and the description, or None when it is resolved.
            refused_s: How long a topic is paused after its first refusal.
        """
        self._report, self._refused_s = report, refused_s
        self.topics = RefusedTopics(report, refused_s)
        self.holds = EventHolds(refused_s / _PASSING_PARTS, refused_s)
        self.suspects = Suspects()
        self._tried: set[Key] = set()
        self._fatal_bytes: float = _NONE_BYTES  # a message of this size ended connections

    def handle_connect(self) -> None:
        """Prepare for a new connection."""
        self.topics.handle_connect()
        self.holds.handle_connect()
        self._report_held()
        self._tried.clear()

    def needs_trial(self, key: Key, topic: str) -> bool:
        """Return whether a message must be sent alone."""
        if key in self._tried:
            return False
        first_event = key != topic and topic not in self._tried
        return first_event or self.suspects.is_suspect(key) or self.topics.is_suspect(topic)

    def pass_trial(self, sent: SentMessage) -> None:
        """Note that the connection survived a message on trial."""
        self._tried |= {sent.key, sent.message.topic}
        self.suspects.clear(sent.key)
        if sent.message.size_bytes >= self._fatal_bytes:
            self._fatal_bytes = _NONE_BYTES

    def resume_due(self, now_s: float) -> list[str]:
        """End the pauses that are over; return their topics."""
        topics = self.topics.resume_due(now_s)
        self._tried -= set(topics)
        return topics

    def find_cause(
        self, trial: SentMessage | None, in_flight: Iterable[SentMessage], reason: Reason, now_s: float, *, short: bool
    ) -> bool:
        """Find the message that ended the connection, and set it aside.

        Args:
            trial: The message on trial, if any.
            in_flight: The messages that the broker has not acknowledged.
            reason: Why the connection ended.
            now_s: Monotonic.
            short: Whether the connection was short.

        Returns:
            Whether the message is known and was reported.
        """
        if self.topics.explains_disconnect(now_s):
            return True
        if trial is None:
            key = self.suspects.note_loss(reason.code, now_s, short=short)
            if key is None:
                return False
            found = next((sent for sent in in_flight if sent.key == key), None)
            if found:
                self._set_aside(found, reason, now_s)
            elif isinstance(key, str):
                self._set_topic_aside(key, 0, reason, now_s, durable=False)
            return bool(found) or isinstance(key, str)
        # The second event of a topic that ends a connection shows that the broker refuses the topic; and a message that
        # is as large as one that ended connections is likely to end this one for the same reason.
        again = (trial.event and self.holds.is_aside(trial.message.topic)) or (
            trial.message.size_bytes >= self._fatal_bytes
        )
        struck = self.suspects.note_strike(trial.key, reason.code)
        if is_blameless(reason.code) or not (struck or again):
            return False
        self._set_aside(trial, reason, now_s)
        return True

    def handle_refusal(self, sent: SentMessage, reason: Reason, now_s: float) -> bool:
        """Handle a negative acknowledgment; return whether the topic is paused because of it."""
        topic = sent.message.topic
        passing = reason.code not in (errors.NOT_AUTHORIZED, errors.QUOTA_EXCEEDED)
        if sent.event and passing and len(self.holds) < MAX_HELD:
            # The broker refuses this event, not its topic, so the others are sent.
            self.holds.hold(sent.event, now_s, ended_connection=False)
            self._report("single", errors.describe_refused_message(topic, reason))
            return False
        pause_s = self._refused_s / _PASSING_PARTS if passing else self._refused_s
        self.holds.release(topic)
        self.topics.record_refusal(topic, reason.name, now_s, durable=sent.event is not None, pause_s=pause_s)
        return True

    def note_success(self, topic: str) -> None:
        """Note that the broker accepted a message to a topic."""
        self.topics.record_success(topic)

    def note_delivered(self, id: int) -> None:
        """Note that an event was delivered."""
        if self.holds.forget(id):
            self._report_held()

    def _set_aside(self, sent: SentMessage, reason: Reason, now_s: float) -> None:
        topic, size_bytes = sent.message.topic, sent.message.size_bytes
        if reason.code in (errors.PACKET_TOO_LARGE, errors.UNSPECIFIED) and size_bytes >= _LARGE_BYTES:
            self._fatal_bytes = min(self._fatal_bytes, size_bytes)
        if sent.event and reason.code != errors.NOT_AUTHORIZED and not self.holds.is_aside(topic):
            self.holds.hold(sent.event, now_s, ended_connection=True)
            why = reason.name if is_reason(reason.code) else ""
            self._report("aside", errors.describe_set_aside(topic, size_bytes, why))
            return
        self._set_topic_aside(topic, size_bytes, reason, now_s, durable=sent.event is not None)

    def _set_topic_aside(self, topic: str, size_bytes: int, reason: Reason, now_s: float, *, durable: bool) -> None:
        why = "it closes the connection instead"
        if is_reason(reason.code):
            why = f"it closes the connection: {reason.name}"
        size_bytes = size_bytes if reason.code in (errors.PACKET_TOO_LARGE, errors.UNSPECIFIED) else 0
        self.topics.record_refusal(topic, why, now_s, durable=durable, size_bytes=size_bytes)
        self.topics.forget_time()

    def _report_held(self) -> None:
        if not self.holds:
            self._report("single", None)
            self._report("aside", None)
