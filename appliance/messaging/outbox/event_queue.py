"""The order in which events of the outbox are given out for delivery, each once until it is released."""

from collections.abc import Collection, Iterable

from appliance.messaging.outbox.stored_rows import OutboxEvent, UnreadableRow
from appliance.messaging.outbox.transactions import OutboxDatabase
from appliance.messaging.outbox.unwritten import UnwrittenChanges


class EventQueue:
    """A position in the file, and the events that were given out. Not thread-safe: outbox.py holds the lock."""

    def __init__(self, unwritten: UnwrittenChanges):
        """Start at the oldest event.

        Args:
            unwritten: The changes that are not in the file yet; rows that cannot be used are noted there.
        """
        self._unwritten = unwritten
        self._given_out: set[int] = set()
        self._cursor = 0

    def rewind(self) -> None:
        """Read the file from its start again; what was given out stays so."""
        self._cursor = 0

    def release(self, except_ids: Iterable[int] = ()) -> None:
        """Give out all events again, except these."""
        self._given_out = set(except_ids)
        self._cursor = 0

    def forget(self, id: int) -> None:
        """Forget an event that was delivered."""
        self._given_out.discard(id)

    def take_stored(
        self, batch: list[OutboxEvent], file: OutboxDatabase, limit: int, without_topics: Collection[str]
    ) -> list[str]:
        """Add events of the file to a batch until it has `limit` events or the file has no more.

        Returns:
            Why rows cannot be used, for those found now.

        Raises:
            sqlite3.Error, OSError: The file cannot be read; the batch contains what was read before.
        """
        reasons: list[str] = []
        while len(batch) < limit and (rows := file.read_after(self._cursor, limit, without_topics)):
            for row in rows:
                self._cursor = row.id
                if row.id in self._given_out or self._unwritten.covers(row.id):
                    continue
                if isinstance(row, UnreadableRow):
                    self._unwritten.set_aside[row.id] = row.why
                    reasons.append(row.why)
                elif row.topic not in without_topics:  # a topic that was changed after reading
                    self._add(batch, row)
                if len(batch) == limit:
                    break
        return reasons

    def take_unwritten(self, batch: list[OutboxEvent], limit: int, without_topics: Collection[str]) -> None:
        """Add events that are not in the file yet to a batch until it has `limit` events."""
        for event in self._unwritten.events.values():
            if len(batch) < limit and event.id not in self._given_out and event.topic not in without_topics:
                self._add(batch, event)

    def _add(self, batch: list[OutboxEvent], event: OutboxEvent) -> None:
        batch.append(event)
        self._given_out.add(event.id)
