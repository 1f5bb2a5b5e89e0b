"""Test the changes in memory: what a transaction contains, and their limits."""

from appliance.messaging.outbox.stored_rows import OutboxEvent
from appliance.messaging.outbox.unwritten import MAX_EVENTS, UnwrittenChanges


def with_events(*ids):
    changes = UnwrittenChanges()
    for id in ids:
        changes.events[id] = OutboxEvent(id, "T/event", "{}", 0.0, 0.0)
    return changes


def test_acknowledged_event_that_was_never_written_is_forgotten():
    changes = with_events(1, 2)
    changes.acknowledge(1)
    changes.acknowledge(9)
    assert list(changes.events) == [2]
    assert changes.acknowledged == {9}


def test_events_of_a_failed_write_are_deleted_then_inserted():
    changes = with_events(1, 2, 3)
    changes.is_unsure = True
    changes.acknowledge(1)
    transaction = changes.build_transaction(0)
    assert set(transaction.delivered) == {1, 2, 3}
    assert [event.id for event in transaction.new] == [2, 3]
    changes.clear()
    assert changes.is_empty
    assert not changes.is_unsure


def test_transaction_never_drops_a_negative_number():
    assert with_events(1).build_transaction(-5).drop_oldest == 0


def test_end_cancels_a_start_and_a_new_start_cancels_the_end():
    changes = UnwrittenChanges()
    changes.note_start("a", "{}")
    changes.note_end("a")
    assert (changes.opened, list(changes.ended)) == ({}, ["a"])
    changes.note_start("a", "{}")
    assert (changes.opened, list(changes.ended)) == ({"a": "{}"}, [])


def test_oldest_events_are_dropped_first():
    changes = with_events(1, 2, 3, 4)
    assert changes.drop_oldest(keep=3) == 1
    assert list(changes.events) == [2, 3, 4]
    assert changes.drop_oldest(keep=10) == 0


def test_notes_are_bounded_and_the_oldest_stay():
    changes = UnwrittenChanges()
    for index in range(2 * MAX_EVENTS + 1):
        changes.note_end(f"id-{index}")
    changes.acknowledged = set(range(2 * (100 + MAX_EVENTS) + 1))
    changes.bound_notes(100)
    assert list(changes.ended)[-1] == f"id-{MAX_EVENTS - 1}"
    assert max(changes.acknowledged) == 100 + MAX_EVENTS - 1
