"""Keep single events back that the broker refused, or that ended the connection, while all others are delivered.

A refusal may pass: the event is sent again after a pause, on the same connection or the next. An event that ended a
connection is set aside for longer, because each attempt costs a connection. Neither leaves the outbox, which drops
events by their age only.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.messaging.outbox.stored_rows import OutboxEvent

MAX_HELD = 50
"""With more than this many refused events, the topic itself is paused."""

_LONGEST_PAUSES = 32  # the longest pause as a multiple of the first


@dataclass(frozen=True, slots=True)
class _Hold:
    event: OutboxEvent
    until_s: float
    ended_connection: bool


class EventHolds:
    """The events that are kept back. All times are monotonic."""

    def __init__(self, retry_s: float, aside_s: float):
        """Start with none.

        Args:
            retry_s: How long an event is kept back after its first refusal.
            aside_s: How long an event is set aside that ended the connection for the first time.
        """
        self._retry_s, self._aside_s = retry_s, aside_s
        self._holds: dict[int, _Hold] = {}
        self._times: dict[int, int] = {}

    def __len__(self) -> int:
        """Return how many events are kept back."""
        return len(self._holds)

    @property
    def ids(self) -> Iterable[int]:
        """The ids of the events."""
        return self._holds.keys()

    @property
    def next_due_s(self) -> float:
        """When the next event is due; infinite if there is none."""
        return min((hold.until_s for hold in self._holds.values()), default=float("inf"))

    def is_aside(self, topic: str) -> bool:
        """Return whether an event of a topic is set aside because it ended the connection."""
        return any(hold.ended_connection and hold.event.topic == topic for hold in self._holds.values())

    def hold(self, event: OutboxEvent, now_s: float, *, ended_connection: bool) -> None:
        """Keep an event back, longer each time."""
        times = self._times.get(event.id, 0)
        first_s = self._aside_s if ended_connection else self._retry_s
        until_s = now_s + first_s * min(2**times, _LONGEST_PAUSES)
        self._times[event.id] = times + 1
        self._holds[event.id] = _Hold(event, until_s, ended_connection)

    def peek_due(self, now_s: float) -> OutboxEvent | None:
        """Return the oldest event that is due."""
        due = min((id for id, hold in self._holds.items() if hold.until_s <= now_s), default=None)
        return None if due is None else self._holds[due].event

    def take(self, id: int) -> None:
        """Remove an event that is sent again now; if it fails again, the next pause is longer."""
        self._holds.pop(id, None)

    def forget(self, id: int) -> bool:
        """Forget an event, because it was delivered; return whether it had been kept back."""
        self._holds.pop(id, None)
        return self._times.pop(id, None) is not None

    def release(self, topic: str) -> None:
        """Release the refused events of a topic, because the topic itself is paused."""
        for id in [id for id, hold in self._holds.items() if hold.event.topic == topic and not hold.ended_connection]:
            del self._holds[id]

    def handle_connect(self) -> None:
        """Release the events that were only refused; the outbox returns them again."""
        for id in [id for id, hold in self._holds.items() if not hold.ended_connection]:
            self.forget(id)
