"""Test opening the outbox's file: damaged, foreign, in use, and written by the previous release."""

import random
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from appliance.messaging.outbox.database_file import VERSION, describe_unwritable
from appliance.messaging.outbox.outbox import Outbox
from support.outbox import WEEK_S, count_logged, events, seqs
from support.paths import ROOT

# The statements with which the previous release created and filled the file.
PREVIOUS_RELEASE = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY,     -- counts up over the life of the device
    topic TEXT NOT NULL,
    payload TEXT NOT NULL,      -- JSON, as it is sent
    time REAL NOT NULL,         -- of the event, seconds since 1970 UTC
    boot INTEGER NOT NULL,      -- number of the system's boot in which it was written
    born_s REAL NOT NULL        -- `time` on the clock of that boot, which no correction of the wall clock moves
);
CREATE TABLE open_events (      -- events that started and have not ended
    id TEXT PRIMARY KEY,
    payload TEXT NOT NULL       -- of the start
) WITHOUT ROWID;
CREATE TABLE boot (number INTEGER PRIMARY KEY, id TEXT NOT NULL);
PRAGMA user_version = 1;
INSERT INTO boot VALUES (7, 'a-boot-before');
INSERT INTO events VALUES (1767268800000000, 'appliance/pi-1/event', '{"id":"a","type":"started","label":"rose","score":0.9,"peak_score":0.9,"started":"2026-01-01T12:00:00.000Z","ended":null,"model":{"name":"flowers","version":"1.0.0","variant":null,"experiment":null},"device":"pi-1","boot":"b","seq":1}', 1767268800.0, 7, 50.0);
INSERT INTO events VALUES (1767268800000001, 'appliance/pi-1/update', '{"state":"committed","version":"1.0.0","sha256":"ab","reason":null}', 1767268801.0, 7, 51.0);
INSERT INTO open_events SELECT 'a', payload FROM events WHERE id = 1767268800000000;
"""  # noqa: E501 - lines as the release wrote them


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.db"


def test_file_of_the_previous_release_opens_and_delivers(path):
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(PREVIOUS_RELEASE)
    old.close()
    outbox = Outbox(path, 1000, 1e12)
    assert (outbox.waiting, outbox.error) == (2, None)
    assert [event["label"] for event in outbox.open_events()] == ["rose"]
    batch = outbox.take_batch(10)
    assert [event.topic.rpartition("/")[2] for event in batch] == ["event", "update"]
    assert [event.born_s for event in batch] == [None, None]  # from an earlier boot
    outbox.append([{"topic": "t", "payload": {"id": "a", "type": "ended"}}])
    outbox.acknowledge(event.id for event in batch)
    outbox.close()
    again = Outbox(path, 1000, 1e12)
    assert (again.waiting, again.open_events()) == (1, [])
    again.close()
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute("SELECT max(number) FROM boot").fetchone() == (8,)
    db.close()


@pytest.mark.parametrize("damage", ["not a database", "header", "pages"])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(path, caplog, damage):
    outbox = Outbox(path, 10_000, WEEK_S)
    outbox.append(events(0, 2000))
    outbox.close()
    content = bytearray(path.read_bytes())
    if damage == "not a database":
        content = bytearray(b"to be, or not to be\n" * 500)
    elif damage == "header":
        content[:100] = bytes(100)
    else:
        content[4096:] = random.Random(1).randbytes(len(content) - 4096)
    path.write_bytes(content)
    caplog.clear()
    again = Outbox(path, 10_000, WEEK_S)
    again.append(events(2000, 2002))
    # All rows are whole if only the header is damaged.
    kept = list(range(2000)) if damage == "header" else []
    assert seqs(again) == [*kept, 2000, 2001]
    again.close()
    assert count_logged(caplog, "it was set aside as outbox.db.set-aside-") == 1
    aside = [file for file in path.parent.iterdir() if "set-aside" in file.name]
    assert [file.read_bytes() for file in aside] == [bytes(content)]
    with closing(Outbox(path, 10_000, WEEK_S)) as left:
        assert left.waiting == len(kept) + 2


def test_foreign_and_newer_files_are_set_aside_unharmed(path, caplog):
    for number, (script, why) in enumerate(
        [
            ("CREATE TABLE diary (text)", "belongs to another program"),
            (f"PRAGMA user_version = {VERSION + 1}", "a newer version"),
        ]
    ):
        with closing(sqlite3.connect(path)) as other, other:
            other.execute(script)
        other.close()
        outbox = Outbox(path, 100, WEEK_S)
        outbox.append(events(0, 1))
        assert outbox.waiting == 1
        outbox.close()
        assert count_logged(caplog, why) == 1
        assert len([file for file in path.parent.iterdir() if "set-aside" in file.name]) == number + 1
        path.unlink()


def test_only_the_last_few_set_aside_files_are_kept(path):
    for _ in range(6):
        path.write_bytes(b"rubbish" * 1000)
        Outbox(path, 100, WEEK_S).close()
    assert len(list(path.parent.glob("*set-aside*"))) == 3


def test_second_process_gets_an_error(path, open_outbox):
    outbox = open_outbox(path, 100)
    outbox.append(events(0, 1))
    other = (
        "from pathlib import Path; from appliance.messaging.outbox.outbox import Outbox;"
        f" Outbox(Path({str(path)!r}), 100, 100)"
    )
    done = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode != 0
    assert f"{path} is in use by another process; run only one appliance per state folder" in done.stderr


def test_path_that_cannot_be_looked_up_is_described_all_the_same(tmp_path):
    path = tmp_path / ("x" * 300)  # as for a link into a closed folder, stat fails with more than "no such file"
    assert "events wait in memory" in describe_unwritable(path, PermissionError(13, "Permission denied"))
