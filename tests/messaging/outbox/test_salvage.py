"""Bit flips over a full outbox: whatever a card does to the file, the rest is delivered and the start succeeds."""

import json
import random
import sqlite3
from contextlib import closing

import pytest

from appliance.messaging.outbox.outbox import Outbox
from support.outbox import WEEK_S, count_logged, events, seqs

FLIPS = 400
EVENTS = 120
_PAGE_BYTES = 4096
_EVENTS_ROOT = 2  # the page number that SQLite assigns in a new outbox


@pytest.fixture(scope="module")
def full_outbox(tmp_path_factory):
    """The content of an outbox with events, two of them open, as the daemon leaves it."""
    path = tmp_path_factory.mktemp("full") / "outbox.db"
    outbox = Outbox(path, 1000, WEEK_S)
    for first in range(0, EVENTS, 20):
        outbox.append(events(first, first + 20, label="daisy", model={"name": "flowers"}, filler="x" * 200))
    outbox.append(events(EVENTS, EVENTS + 2, id="open-1", type="started"))
    outbox.close()
    return path.read_bytes()


def deliver(path, content):
    """Open the file, add an event, and deliver everything; return the outbox, which is closed, and the payloads."""
    path.write_bytes(content)
    with closing(Outbox(path, 1000, WEEK_S)) as outbox:
        assert outbox.error is None
        outbox.open_events()
        outbox.append(events(9000, 9001))
        payloads = []
        while batch := outbox.take_batch(50):
            payloads += [json.loads(event.payload) for event in batch]
            outbox.acknowledge(event.id for event in batch)
        outbox.commit()
        assert outbox.waiting == 0, "nothing is stuck"
    return outbox, payloads


def test_any_flipped_bit_costs_few_events_and_is_counted(tmp_path, full_outbox):
    choose = random.Random(20_261_129)
    lost_in_all = 0
    for _ in range(FLIPS):
        content = bytearray(full_outbox)
        bit = choose.randrange(len(content) * 8)
        content[bit // 8] ^= 1 << (bit % 8)
        folder = tmp_path / str(bit)
        folder.mkdir()
        outbox, payloads = deliver(folder / "outbox.db", content)
        lost = EVENTS + 3 - len(payloads)
        assert all(isinstance(payload, dict) for payload in payloads), bit
        assert any(payload.get("seq") == 9000 for payload in payloads), bit
        assert 0 <= lost <= 20, bit  # at most the rows of one page and its neighbor
        assert outbox.set_aside >= (lost > 0), bit
        lost_in_all += lost
    assert lost_in_all < FLIPS


@pytest.mark.parametrize("page", [1, _EVENTS_ROOT, 8], ids=["header and schema", "root", "leaf"])
def test_whole_page_of_zeros_costs_at_most_that_page(tmp_path, full_outbox, caplog, page):
    content = bytearray(full_outbox)
    content[(page - 1) * _PAGE_BYTES : page * _PAGE_BYTES] = bytes(_PAGE_BYTES)
    payloads = deliver(tmp_path / "outbox.db", content)[1]
    kept = [payload["seq"] for payload in payloads]
    assert kept == sorted(kept)
    if page == 1:
        assert kept == [*range(EVENTS + 2), 9000]
    elif page != _EVENTS_ROOT:
        assert len(kept) > EVENTS - 20
    assert count_logged(caplog, "was set aside as") == 1


def test_file_of_a_newer_program_is_delivered_when_it_has_the_same_tables(tmp_path, full_outbox):
    path = tmp_path / "outbox.db"
    path.write_bytes(full_outbox)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 3")
    with closing(Outbox(path, 1000, WEEK_S)) as outbox:
        assert seqs(outbox) == list(range(EVENTS + 2))
        assert [event["id"] for event in outbox.open_events()] == ["open-1"]


@pytest.mark.parametrize("new_id", [-5, 0, 2**62 + 1, 2**63 - 1])
def test_event_with_an_id_out_of_range_is_delivered(tmp_path, full_outbox, new_id):
    path = tmp_path / "outbox.db"
    path.write_bytes(full_outbox)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE events SET id = ? WHERE id = (SELECT max(id) FROM events)", (new_id,))
    db.close()
    with closing(Outbox(path, 1000, WEEK_S)) as outbox:
        outbox.append(events(9000, 9001))
        assert sorted(seqs(outbox)) == [*range(EVENTS + 2), 9000]


def test_events_in_the_wal_of_a_damaged_file_are_kept(tmp_path):
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, 1000, WEEK_S)
    outbox.append(events(0, 100, filler="x" * 2000))
    outbox.append(events(100, 103))
    copy = tmp_path / "copy.db"  # as after a kill
    for suffix in ("", "-wal"):
        copy.with_name(f"copy.db{suffix}").write_bytes(path.with_name(f"outbox.db{suffix}").read_bytes())
    outbox.close()
    with copy.open("r+b") as file:
        file.write(b"damaged header!!")
    with closing(Outbox(copy, 1000, WEEK_S)) as again:
        assert seqs(again)[-3:] == [100, 101, 102]
