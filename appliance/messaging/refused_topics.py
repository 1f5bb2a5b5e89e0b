"""Track topics to which the broker accepts no messages: when to try them again, and what to report.

A refused topic is paused for a while, longer each time, because every further message may end the connection. It is
also tried again on the first connection after a stable one, because an operator who corrects the access rights often
restarts the broker. A topic counts as refused when the broker refuses a message to it, or when a message to it ended
the connection (suspects.py).
"""

from collections.abc import KeysView
from dataclasses import dataclass

from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.conditions import ReportCondition

_LONGEST_PAUSES = 10  # the longest pause as a multiple of the first
_SOON_S = 5.0
_NAMED_AT_MOST = 2


@dataclass(frozen=True, slots=True)
class _Refusal:
    why: str
    durable: bool  # whether messages to the topic wait in the outbox
    size_bytes: int  # the size of the message if it may be the reason, else 0


class RefusedTopics:
    """The topics that the broker refuses. Use it on the publisher's thread only."""

    def __init__(self, report: ReportCondition, pause_s: float):
        """Start with no refused topic.

        Args:
            report: Reports the condition "topics".
            pause_s: How long a topic is paused after its first refusal.
        """
        self._report_condition = report
        self._pause_s = pause_s
        self._until_s: dict[str, float] = {}
        self._pauses: dict[str, int] = {}
        self._refusals: dict[str, _Refusal] = {}
        self._was_stable = False
        self._refused_at_s = float("-inf")

    @property
    def paused(self) -> KeysView[str]:
        """The topics to which nothing is currently sent."""
        return self._until_s.keys()

    def is_suspect(self, topic: str) -> bool:
        """Return whether the next message to a topic must be sent alone, because earlier ones failed."""
        return topic in self._refusals

    def record_refusal(
        self, topic: str, why: str, now_s: float, *, durable: bool, size_bytes: int = 0, pause_s: float | None = None
    ) -> None:
        """Pause a topic to which the broker refused a message.

        Args:
            topic: The topic.
            why: The broker's reason, or what the broker does instead.
            now_s: Monotonic.
            durable: Whether the message waits in the outbox.
            size_bytes: The size of the message if it may be the reason, else 0.
            pause_s: How long the topic is paused after its first refusal; None for the usual time.
        """
        if topic not in self._until_s:
            self._pauses[topic] = pauses = self._pauses.get(topic, 0) + 1
            first_s = self._pause_s if pause_s is None else pause_s
            self._until_s[topic] = now_s + first_s * min(2 ** (pauses - 1), _LONGEST_PAUSES)
        self._refused_at_s = now_s
        self._refusals.setdefault(topic, _Refusal(why, durable, size_bytes))
        self._report()

    def record_success(self, topic: str) -> None:
        """Forget the refusals of a topic, because the broker accepted a message to it."""
        if topic in self._refusals:
            del self._refusals[topic]
            self._report()
        self._pauses.pop(topic, None)

    def explains_disconnect(self, now_s: float) -> bool:
        """Return whether a refusal a moment ago explains the disconnect."""
        if now_s - self._refused_at_s >= _SOON_S:
            return False
        self.forget_time()
        return True

    def forget_time(self) -> None:
        """Forget when the last refusal was, because it has explained a disconnect."""
        self._refused_at_s = float("-inf")
        self._was_stable = False

    def mark_stable(self) -> None:
        """Note a stable connection: let the next one try every topic."""
        self._was_stable = True

    def resume_due(self, now_s: float) -> list[str]:
        """End the pauses that are over; return their topics."""
        due = [topic for topic, until_s in self._until_s.items() if now_s >= until_s]
        for topic in due:
            del self._until_s[topic]
        return due

    def handle_connect(self) -> None:
        """Note a new connection; after a stable one it ends every pause."""
        if self._was_stable:
            self._until_s.clear()
            self._was_stable = False

    def _report(self) -> None:
        if not self._refusals:
            self._report_condition("topics", None)
            return
        topics = sorted(self._refusals, key=lambda topic: not self._refusals[topic].durable)  # durable ones first
        named, first = topics[:_NAMED_AT_MOST], self._refusals[topics[0]]
        durable = any(refusal.durable for refusal in self._refusals.values())
        self._report_condition(
            "topics",
            errors.describe_refused_topics(
                named, first.why, more=len(topics) > len(named), durable=durable, size_bytes=first.size_bytes
            ),
        )
