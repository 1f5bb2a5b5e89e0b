"""Keep T/availability right, and notice a second daemon that writes it.

Two daemons with the same device id but different client ids do not disconnect each other; both write the same topics.
So each message on T/availability names its writer in an MQTT 5 user property, and each daemon reads the topic. MQTT
3.1.1 has no such property; there a daemon counts how often its own `online` returns.
"""

import secrets

from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.conditions import ReportCondition
from appliance.messaging.mqtt.message import Outgoing, Received
from appliance.messaging.payloads import Availability

_KEY = "second writer"
_WRITER = "writer"
_REPEAT_S = 60.0  # within this time, each of two daemons notices the other
_CORRECT_S = 5.0  # `offline` of another client is corrected within this time
_FORGET_S = 4 * _REPEAT_S
_NEVER_S = float("inf")


class AvailabilityTopic:
    """The device's availability. Use it on the publisher's thread only; all times are monotonic."""

    def __init__(self, topic: str, report: ReportCondition):
        """Start offline.

        Args:
            topic: The topic.
            report: Reports a condition: its key, and the description, or None when it is resolved.
        """
        self.topic, self._report = topic, report
        self._writer = secrets.token_hex(8)
        self._echoes = 0  # how often `online` may still return
        self._is_offline = False  # whether this daemon has published `offline`, because it stops
        self._repeated_s = float("-inf")
        self._due_s = _NEVER_S
        self._seen_s: float | None = None

    def handle_connect(self) -> Outgoing:
        """Return the message for a new connection."""
        self._echoes, self._due_s = 0, _NEVER_S
        return self.build(Availability.ONLINE)

    def build(self, value: Availability) -> Outgoing:
        """Return the message that publishes a value."""
        self._is_offline = value == Availability.OFFLINE
        self._echoes += value == Availability.ONLINE
        return Outgoing(self.topic, value.encode(), 1, retain=True, user_properties=((_WRITER, self._writer),))

    def handle_message(self, message: Received, now_s: float) -> None:
        """Check a message on the topic: another client may have written it."""
        if message.retained or self._is_offline or self._is_own(message):
            return
        pause_s = _CORRECT_S
        if message.payload == Availability.ONLINE.encode():
            pause_s = _REPEAT_S
            self._seen_s = now_s
            self._report(_KEY, errors.describe_second_writer(self.topic))
        self._due_s = min(self._due_s, self._repeated_s + pause_s)

    def poll(self, now_s: float) -> Outgoing | None:
        """Return the message that puts the topic right, if it is due; resolve the condition after a while."""
        if self._seen_s is not None and now_s - self._seen_s >= _FORGET_S:
            self._seen_s = None
            self._report(_KEY, None)
        if now_s < self._due_s or self._is_offline:
            return None
        self._repeated_s, self._due_s = now_s, _NEVER_S
        return self.build(Availability.ONLINE)

    def _is_own(self, message: Received) -> bool:
        writer = dict(message.user_properties).get(_WRITER)
        if writer is not None:
            return writer == self._writer
        if message.payload != Availability.ONLINE.encode() or self._echoes <= 0:
            return False
        self._echoes -= 1
        return True
