"""The order of delivery: each event once until it is released, unreadable rows never."""

from contextlib import closing

import pytest

from appliance.messaging.outbox.event_queue import EventQueue
from appliance.messaging.outbox.stored_rows import OutboxEvent
from appliance.messaging.outbox.transactions import OutboxDatabase, OutboxTransaction
from appliance.messaging.outbox.unwritten import UnwrittenChanges


def make_event(id, topic="T/event", payload="{}"):
    return OutboxEvent(id, topic, payload, 1000.0 + id, 50.0)


@pytest.fixture
def file(tmp_path):
    with closing(OutboxDatabase(tmp_path / "outbox.db", "boot-1")) as database:
        new = [make_event(1), make_event(2, payload="{broken"), make_event(3, "T/update"), make_event(4)]
        database.commit(OutboxTransaction((), 0, new, {}, ()))
        yield database


def take(queue, file, limit=10, without=()):
    batch = []
    reasons = queue.take_stored(batch, file, limit, without)
    return [event.id for event in batch], reasons


def test_events_are_given_out_once_until_released(file):
    queue = EventQueue(UnwrittenChanges())
    assert take(queue, file, 1)[0] == [1]
    assert take(queue, file)[0] == [3, 4]
    queue.release(except_ids=[3])
    assert take(queue, file)[0] == [1, 4]
    queue.rewind()
    assert take(queue, file)[0] == []
    queue.forget(3)
    queue.rewind()
    assert take(queue, file)[0] == [3]


def test_unreadable_row_is_noted_once_and_moved_with_the_next_transaction(file):
    unwritten = UnwrittenChanges()
    queue = EventQueue(unwritten)
    assert len(take(queue, file)[1]) == 1
    queue.release()
    assert take(queue, file) == ([1, 3, 4], [])
    assert file.commit(unwritten.build_transaction(0)) == (1, 0)
    assert file.count() == 3


def test_topics_are_left_out_until_released(file):
    queue = EventQueue(UnwrittenChanges())
    assert take(queue, file, without=["T/event"])[0] == [3]
    queue.release()
    assert take(queue, file)[0] == [1, 3, 4]


def test_topic_changed_after_reading_is_left_out_too(tmp_path):
    with closing(OutboxDatabase(tmp_path / "o.db", "b", address=lambda topic, payload: ("new", payload))) as database:
        database.commit(OutboxTransaction((), 0, [make_event(1)], {}, ()))
        queue = EventQueue(UnwrittenChanges())
        assert take(queue, database, without=["new"])[0] == []
        queue.release()
        assert take(queue, database)[0] == [1]


def test_unwritten_events_are_given_out_after_the_file(file):
    unwritten = UnwrittenChanges()
    unwritten.events[9] = make_event(9)
    unwritten.acknowledged.add(1)
    queue = EventQueue(unwritten)
    batch = []
    queue.take_stored(batch, file, 10, ())
    queue.take_unwritten(batch, 10, ())
    queue.take_unwritten(batch, 10, ())
    assert [event.id for event in batch] == [3, 4, 9]
