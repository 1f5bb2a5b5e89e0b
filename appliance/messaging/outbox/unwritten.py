"""Changes that are not in the outbox's file yet, bounded and in memory."""

from collections.abc import Iterable, Set
from typing import TYPE_CHECKING

from appliance.messaging.outbox.transactions import OutboxTransaction

if TYPE_CHECKING:
    from appliance.messaging.outbox.stored_rows import OutboxEvent

MAX_EVENTS = 10_000
"""The maximum number of events in memory while the file cannot be written."""


class UnwrittenChanges:
    """The content of the next transaction. Not thread-safe: outbox.py holds the lock.

    Attributes:
        events: New events by id, oldest first.
        acknowledged: Ids that the broker has acknowledged and that are still in the file.
        opened: Starts since the last transaction: event id → payload (JSON).
        ended: Ids of events that ended since the last transaction, in the order in which they ended.
        set_aside: Ids of events in the file that cannot be delivered: id → reason.
        set_aside_open: Ids of open events in the file that cannot be used, as stored: id → reason.
        is_unsure: Whether a write failed, so that `events` may nevertheless be in the file.
    """

    def __init__(self) -> None:
        self.events: dict[int, OutboxEvent] = {}
        self.acknowledged: set[int] = set()
        self.opened: dict[str, str] = {}
        self.ended: dict[str, None] = {}
        self.set_aside: dict[int, str] = {}
        self.set_aside_open: dict[bytes, str] = {}
        self.is_unsure = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (
            self.events or self.acknowledged or self.opened or self.ended or self.set_aside or self.set_aside_open
        )

    @property
    def leaving(self) -> Set[int]:
        """Ids of events that are still in the file, and that the next transaction removes from it."""
        return self.acknowledged | self.set_aside.keys() if self.set_aside else self.acknowledged

    def covers(self, id: int) -> bool:
        """Return whether an event of the file is also here: to be removed from the file, or written again."""
        return id in self.acknowledged or id in self.events or id in self.set_aside

    def add_unwritable(self, events: "Iterable[OutboxEvent]") -> None:
        """Add events that are in the file too, because it can be read but not written."""
        self.events.update((event.id, event) for event in events)
        self.is_unsure = True

    def note_start(self, id: str, payload: str) -> None:
        """Remember an event that started."""
        self.opened[id] = payload
        self.ended.pop(id, None)

    def note_end(self, id: str) -> None:
        """Remember that an event ended."""
        self.opened.pop(id, None)
        self.ended[id] = None

    def acknowledge(self, id: int) -> None:
        """Forget an acknowledged event, and mark it for deletion if it may be in the file."""
        if self.events.pop(id, None) is None or self.is_unsure:
            self.acknowledged.add(id)

    def build_transaction(self, drop_oldest: int) -> OutboxTransaction:
        """Return the transaction that writes all changes; call `clear` after its commit."""
        # After a failed write the events may already be in the file, so delete them there before inserting them.
        delivered = self.acknowledged | self.events.keys() if self.is_unsure else self.acknowledged
        return OutboxTransaction(
            delivered,
            max(0, drop_oldest),
            list(self.events.values()),
            self.opened,
            self.ended,
            self.set_aside,
            self.set_aside_open,
        )

    def clear(self) -> None:
        """Forget all changes, because they have been written."""
        for written in (
            self.events, self.acknowledged, self.opened, self.ended, self.set_aside, self.set_aside_open,
        ):  # fmt: skip
            written.clear()
        self.is_unsure = False

    def drop_oldest(self, keep: int) -> int:
        """Drop all but the newest `keep` events; return how many."""
        ids = list(self.events)[: max(0, len(self.events) - keep)]
        for id in ids:
            del self.events[id]
        return len(ids)

    def bound_notes(self, max_events: int) -> None:
        """Bound what accumulates while the file cannot be written; keep the oldest, which may be in the file.

        Args:
            max_events: The maximum number of events in the file.
        """
        if len(self.ended) > 2 * MAX_EVENTS:
            self.ended = dict.fromkeys(list(self.ended)[:MAX_EVENTS])
        if len(self.acknowledged) > 2 * (max_events + MAX_EVENTS):
            self.acknowledged = set(sorted(self.acknowledged)[: max_events + MAX_EVENTS])
