"""One transaction on the outbox's file: its parts, their order, and that it happens as a whole or not at all."""

import sqlite3
from pathlib import Path

import pytest

from appliance.messaging.outbox.database_file import free_bytes, is_disk_full
from appliance.messaging.outbox.stored_rows import OutboxEvent
from appliance.messaging.outbox.transactions import RESERVE_BYTES, OutboxDatabase, OutboxTransaction
from support.outbox import fill_disk


def make_events(*ids, topic="T/event", payload="{}"):
    return [OutboxEvent(id, topic, payload, 1000.0 + id, 50.0 + id) for id in ids]


def make_change(delivered=(), drop_oldest=0, new=(), opened=None, ended=()):
    return OutboxTransaction(delivered, drop_oldest, new, opened or {}, ended)


def read_open(database):
    return {id.decode(): payload.decode() for id, payload in database.read_open_events()}


def ids(database):
    return [event.id for event in database.read_after(0, 1_000_000)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.db"


@pytest.fixture
def database(path):
    opened = OutboxDatabase(path, "boot-1")
    yield opened
    opened.close()


def test_new_file_is_empty(database):
    assert (database.count(), database.find_last_id(), read_open(database)) == (0, 0, {})


def test_events_are_read_as_they_were_written(database):
    written = make_events(1, 2, payload='{"label":"½"}')
    assert database.commit(make_change(new=written)) == (0, 0)
    assert database.read_after(0, 10) == written
    assert (database.count(), database.find_last_id()) == (2, 2)


def test_events_are_read_in_the_order_of_ids(database):
    database.commit(make_change(new=make_events(5, 3)))
    database.commit(make_change(new=make_events(4) + make_events(6, topic="T/update")))
    assert ids(database) == [3, 4, 5, 6]
    assert [event.id for event in database.read_after(3, 2)] == [4, 5]
    assert [event.id for event in database.read_after(0, 10, without_topics=["T/event"])] == [6]
    assert database.read_after(0, 10, without_topics=["T/event", "T/update"]) == []


def test_delivered_go_first_then_the_oldest_then_new_come(database):
    database.commit(make_change(new=make_events(1, 2, 3, 4)))
    # 1 was delivered and does not count as dropped; the new 5 is not one of the oldest.
    assert database.commit(make_change(delivered=[1, 99], drop_oldest=2, new=make_events(5))) == (1, 2)
    assert ids(database) == [4, 5]
    assert database.commit(make_change(drop_oldest=10)) == (0, 2)


def test_delivered_event_can_be_written_again_at_once(database):
    """After a write whose result is unknown, its events are deleted and inserted in one transaction."""
    database.commit(make_change(new=make_events(1, 2)))
    database.commit(make_change(delivered=[1, 2], new=make_events(2)))
    assert ids(database) == [2]


def test_starts_are_remembered_until_they_end(database):
    database.commit(make_change(opened={"b": "1", "a": "2"}))
    database.commit(make_change(opened={"b": "3", "c": "4"}, ended=["c", "missing"]))
    assert read_open(database) == {"a": "2", "b": "3"}
    database.commit(make_change(ended=["a", "b"]))
    assert read_open(database) == {}


def test_failed_transaction_changes_nothing(database):
    database.commit(make_change(new=make_events(1, 2), opened={"a": "1"}))
    with pytest.raises(sqlite3.IntegrityError):
        database.commit(make_change([1], 1, make_events(3, 3), {"b": "2"}, ["a"]))
    assert (ids(database), read_open(database)) == ([1, 2], {"a": "1"})
    assert database.commit(make_change([1], new=make_events(3))) == (1, 0)
    assert ids(database) == [2, 3]


def test_committed_is_on_disk_and_failed_is_not(path, database):
    database.commit(make_change(new=make_events(1)))
    with pytest.raises(sqlite3.IntegrityError):
        database.commit(make_change(new=make_events(2, 1)))
    # As after a kill: the files as they are, without closing.
    copy = path.with_name("copy.db")
    for suffix in ("", "-wal"):
        Path(f"{copy}{suffix}").write_bytes(Path(f"{path}{suffix}").read_bytes())
    after = OutboxDatabase(copy, "boot-1")
    assert ids(after) == [1]
    after.close()


def test_time_since_boot_is_known_only_during_that_boot(path, database):
    database.commit(make_change(new=make_events(1)))
    database.close()
    same = OutboxDatabase(path, "boot-1")
    assert same.read_after(0, 1)[0].born_s == 51.0
    same.close()
    for boot in ("boot-2", "boot-1"):  # an id that returns is another boot too
        later = OutboxDatabase(path, boot)
        assert {event.born_s for event in later.read_after(0, 10)} == {None}
        later.commit(make_change(new=make_events(later.find_last_id() + 1)))
        assert later.read_after(later.find_last_id() - 1, 1)[0].born_s is not None
        later.close()


def test_full_disk_rolls_back_and_the_reserve_makes_room(small_disk):
    database = OutboxDatabase(small_disk / "outbox.db", "boot-1")
    database.commit(make_change(new=make_events(*range(1, 101)), opened={"a": "1"}))
    fill_disk(small_disk, "filler")
    last_id = 100
    with pytest.raises(sqlite3.OperationalError) as caught:
        while True:  # until the space that the WAL already has is used up
            database.commit(make_change(new=make_events(last_id + 1, payload="x" * 20_000)))
            last_id += 1
    assert is_disk_full(caught.value)
    assert ids(database) == list(range(1, last_id + 1))
    database.release_reserve()
    assert not (small_disk / "outbox.db.reserve").exists()
    database.commit(make_change(delivered=range(1, 51)))
    assert (ids(database), read_open(database)) == (list(range(51, last_id + 1)), {"a": "1"})
    database.close()


def test_reserve_is_made_only_with_space_for_it(small_disk):
    path = small_disk / "outbox.db"
    reserve = small_disk / "outbox.db.reserve"
    database = OutboxDatabase(path, "boot-1")
    assert reserve.stat().st_size == RESERVE_BYTES
    assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES  # not a sparse file
    database.release_reserve()
    filler = fill_disk(small_disk, "filler")
    assert free_bytes(path) == 0
    database.restore_reserve()
    assert not reserve.exists()
    filler.unlink()
    database.restore_reserve()
    assert reserve.stat().st_size == RESERVE_BYTES
    database.close()
