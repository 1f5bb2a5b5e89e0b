"""What arrives from the broker: subscriptions, their acknowledgment, and messages that are too large to be read.

A message that is too large ends the connection. If it is retained, the broker sends it again after each subscription;
so the device does not subscribe to its topic for a while, and everything else works.
"""

from collections.abc import Sequence

from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.conditions import ReportCondition
from appliance.messaging.mqtt.connection import MAXIMUM_PACKET_BYTES
from appliance.messaging.mqtt.message import Oversized, Subscribed

_KEY = "arrival"
_AVOID_S = 600.0


class Arrivals:
    """The device's subscriptions. Use it on the publisher's thread only; all times are monotonic."""

    def __init__(self, subscriptions: Sequence[str], report: ReportCondition, avoid_s: float = _AVOID_S):
        """Start without a connection.

        Args:
            subscriptions: The topics to subscribe to.
            report: Reports a condition: its key, and the description, or None when it is resolved.
            avoid_s: How long not to subscribe to a topic on which a message was too large.
        """
        self._subscriptions, self._report, self._avoid_s = tuple(subscriptions), report, avoid_s
        self._avoided: dict[str, float] = {}
        self._current: tuple[str, ...] = ()
        self._asked_s: float | None = None
        self._is_oversized = False

    def handle_connect(self, now_s: float) -> tuple[str, ...]:
        """Return the topics to subscribe to on a new connection."""
        self._avoided = {topic: until_s for topic, until_s in self._avoided.items() if now_s < until_s}
        self._current = tuple(topic for topic in self._subscriptions if topic not in self._avoided)
        self._asked_s = now_s if self._current else None
        return self._current

    def handle_subscribed(self, event: Subscribed) -> None:
        """Report the subscriptions that the broker refused."""
        self._asked_s = None
        for topic, reason in zip(self._current, event.reasons, strict=False):
            description = errors.describe_refused_subscription(topic, reason) if reason.is_error else None
            self._report(f"subscription {topic}", description)
        if not self._avoided:
            self._report(_KEY, None)

    def handle_oversized(self, event: Oversized, now_s: float) -> None:
        """Report a message that is too large, and do without its topic for a while."""
        self._is_oversized = True
        if event.topic in self._subscriptions:
            self._avoided[event.topic] = now_s + self._avoid_s
        self._report(_KEY, errors.describe_arrival(event.topic, event.size_bytes, MAXIMUM_PACKET_BYTES))

    def handle_disconnect(self) -> bool:
        """Return whether a message that is too large ended the connection."""
        self._asked_s = None
        explained, self._is_oversized = self._is_oversized, False
        return explained

    def silent_s(self, now_s: float) -> float:
        """Return for how long the broker has not acknowledged the subscriptions."""
        return 0.0 if self._asked_s is None else now_s - self._asked_s
