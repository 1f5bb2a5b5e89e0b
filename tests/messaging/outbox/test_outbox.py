"""Test the outbox on full, read-only and damaged disks, after kills, and at its limits."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from appliance.messaging.outbox.outbox import RETRY_S, Outbox
from appliance.messaging.outbox.unwritten import MAX_EVENTS
from support.outbox import TOPIC, WEEK_S, count_logged, events, fill_disk, seqs
from support.paths import ROOT


class Clock:
    """A wall clock and the time since boot, both set by the test."""

    def __init__(self, open_outbox: Callable[..., Outbox]):
        self.wall_s, self.boot_s, self.boot_id = 1_800_000_000.0, 100.0, "boot-1"
        self._open = open_outbox

    def pass_s(self, seconds: float) -> None:
        self.wall_s += seconds
        self.boot_s += seconds

    def outbox(self, path: Path, max_events: int = 100_000, max_age_s: float = WEEK_S) -> Outbox:
        return self._open(
            path,
            max_events,
            max_age_s,
            wall_s=lambda: self.wall_s,
            since_boot_s=lambda: self.boot_s,
            boot_id=self.boot_id,
        )


@pytest.fixture
def clock(open_outbox: Callable[..., Outbox]) -> Clock:
    return Clock(open_outbox)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def deliver_all(outbox: Outbox) -> list[int]:
    batch = outbox.take_batch(1_000_000)
    outbox.acknowledge(entry.id for entry in batch)
    outbox.commit()
    return [int(entry.payload.split(":")[1].strip("}").split(",")[0]) for entry in batch]


def test_events_come_back_in_order_from_the_next_process(path, open_outbox):
    outbox = open_outbox(path, 100)
    outbox.append(events(0, 5))
    outbox.append(events(5, 8))
    outbox.close()
    again = open_outbox(path, 100)
    assert again.waiting == 8
    entry = again.take_batch(1)[0]
    assert (entry.topic, entry.payload) == (TOPIC, '{"seq":0}')
    assert seqs(again) == list(range(1, 8))


def test_event_is_given_out_once_until_released(path, open_outbox):
    outbox = open_outbox(path, 100)
    outbox.append(events(0, 6))
    first = outbox.take_batch(4)
    outbox.acknowledge([first[0].id, first[2].id])
    assert seqs(outbox) == [4, 5]
    outbox.release()
    assert seqs(outbox) == [1, 3, 4, 5]
    outbox.commit()
    outbox.release(except_ids=[first[1].id])
    assert seqs(outbox) == [3, 4, 5]
    assert outbox.waiting == 4


def test_topics_can_be_left_out(path, open_outbox):
    outbox = open_outbox(path, 100)
    outbox.append([*events(0, 3), {"topic": "other", "payload": {"seq": 3}}])
    assert seqs_of(outbox.take_batch(10, without_topics=[TOPIC])) == ["other"]
    outbox.release()
    assert seqs_of(outbox.take_batch(10)) == [TOPIC] * 3 + ["other"]


def seqs_of(batch) -> list[str]:
    return [entry.topic for entry in batch]


def test_the_oldest_are_dropped_beyond_the_number_and_counted(path, open_outbox):
    outbox = open_outbox(path, 100)
    outbox.append(events(0, 90))
    outbox.append(events(90, 130))
    assert (outbox.waiting, outbox.dropped) == (100, 30)
    assert seqs(outbox) == list(range(30, 130))
    outbox.append(events(130, 400))
    outbox.release()
    assert (outbox.waiting, outbox.dropped) == (100, 300)
    assert seqs(outbox) == list(range(300, 400))


def test_events_that_are_too_old_are_dropped_and_counted(path, clock):
    outbox = clock.outbox(path)
    outbox.append(events(0, 3))
    clock.pass_s(WEEK_S - 60)
    outbox.append(events(3, 5))
    clock.pass_s(120)
    outbox.commit()
    assert (outbox.waiting, outbox.dropped) == (2, 3)


def test_a_clock_that_is_set_right_makes_nothing_old_or_late(path, clock):
    clock.wall_s = 1_700_000_000.0  # a board without a clock battery, before the network is available
    outbox = clock.outbox(path)
    outbox.append(events(0, 3))
    clock.wall_s += 3 * WEEK_S
    clock.boot_s += 20
    outbox.commit()
    batch = outbox.take_batch(10)
    assert outbox.dropped == 0
    assert [round(outbox.age_s(entry)) for entry in batch] == [20, 20, 20]


def test_age_goes_on_over_a_reboot(path, clock):
    outbox = clock.outbox(path)
    outbox.append(events(0, 1))
    outbox.close()
    clock.wall_s += 3600
    clock.boot_s, clock.boot_id = 10.0, "boot-2"
    again = clock.outbox(path)
    assert round(again.age_s(again.take_batch(1)[0])) == 3600
    again.append(events(1, 2))
    clock.pass_s(30)
    assert round(again.age_s(again.take_batch(1)[0])) == 30


def test_events_without_an_end_are_open_after_a_restart(path):
    outbox = Outbox(path, 100, WEEK_S)
    outbox.append(events(0, 1, id="a", type="started") + events(1, 2, id="b", type="started"))
    outbox.append(events(2, 3, id="a", type="ended"))
    deliver_all(outbox)
    outbox.close()
    again = Outbox(path, 100, WEEK_S)
    assert again.open_events() == [{"seq": 1, "id": "b", "type": "started"}]
    again.append(events(3, 4, id="b", type="ended", reason="restart"))
    assert again.open_events() == []
    again.close()
    with closing(Outbox(path, 100, WEEK_S)) as left:
        assert left.open_events() == []


def test_one_transaction_for_new_and_acknowledged_events(path, open_outbox):
    outbox = open_outbox(path, 100)
    outbox.append(events(0, 10))
    batch = outbox.take_batch(10)
    wal = Path(f"{path}-wal")
    before = wal.stat().st_size
    outbox.acknowledge(entry.id for entry in batch)
    assert wal.stat().st_size == before
    outbox.append(events(10, 20))
    assert outbox.waiting == 10


def test_file_damaged_in_use_is_set_aside_keeping_open_events(path, caplog):
    outbox = Outbox(path, 10_000, WEEK_S)
    # More events than SQLite keeps in memory.
    outbox.append(events(0, 1, id="a", type="started") + events(1, 9000, filler="x" * 600))
    outbox.close()
    outbox = Outbox(path, 10_000, WEEK_S)
    with path.open("r+b") as file:  # the SD card loses its content while the process runs
        file.seek(4096)
        file.write(random.Random(1).randbytes(path.stat().st_size - 4096))
    caplog.clear()
    while outbox.take_batch(1000):
        pass
    outbox.append(events(5000, 5002))
    assert count_logged(caplog, "it was set aside") == 1
    outbox.release()
    assert seqs(outbox) == [5000, 5001]
    outbox.close()
    with closing(Outbox(path, 100, WEEK_S)) as left:
        assert [event["id"] for event in left.open_events()] == ["a"]


def test_folder_in_the_way_gives_an_outbox_in_memory(path, caplog, clock):
    path.mkdir()
    outbox = clock.outbox(path)
    outbox.append(events(0, 3))
    assert "cannot be written" in outbox.error
    outbox.append(events(3, 4))
    assert count_logged(caplog, "cannot be written") == 1
    path.rmdir()
    clock.pass_s(RETRY_S)
    outbox.commit()
    assert outbox.error is None
    assert seqs(outbox) == [0, 1, 2, 3]
    outbox.close()
    with closing(Outbox(path, 100, WEEK_S)) as left:
        assert left.waiting == 4


def test_on_a_full_disk_the_oldest_make_room_and_nothing_raises(small_disk, caplog, clock):
    path = small_disk / "outbox.db"
    outbox = clock.outbox(path)
    for first in range(0, 20_000, 20):
        outbox.append(events(first, first + 20, filler="x" * 200))
        clock.pass_s(0.2)
    assert (
        outbox.error
        == f"the disk that holds {path} is full, so the oldest events are dropped to make space for new ones;"
        " free space on that disk"
    )
    assert count_logged(caplog, "is full") == 1 and count_logged(caplog, "cannot be written") == 0
    assert outbox.dropped > 0 and outbox.waiting + outbox.dropped == 20_000
    assert outbox.waiting > 3000
    outbox.close()
    # Everything is in the file, not in memory: the newest events are left, without gaps.
    with closing(clock.outbox(path)) as again:
        assert seqs(again) == list(range(outbox.dropped, 20_000))


def test_disk_filled_by_others_costs_no_waiting_event(small_disk, caplog, clock):
    outbox = clock.outbox(small_disk / "outbox.db")
    outbox.append(events(0, 1))
    fill_disk(small_disk, "filler")
    for number in range(1, 200):
        outbox.append(events(number, number + 1, filler="x" * 200))
        clock.pass_s(0.2)
    assert count_logged(caplog, "is full") == 1
    assert outbox.dropped == 0
    outbox.close()
    with closing(clock.outbox(small_disk / "outbox.db")) as left:
        assert seqs(left) == list(range(200))


def test_without_any_space_events_wait_in_memory(small_disk, caplog, clock):
    caplog.set_level("INFO")
    path = small_disk / "outbox.db"
    outbox = clock.outbox(path)
    outbox.append(events(0, 100))
    fillers = []
    for number in range(100, 600):
        fillers.append(fill_disk(small_disk, f"filler-{number}"))  # another program uses up the space of the reserve
        outbox.append(events(number, number + 1, filler="y" * 1000))
        clock.pass_s(0.2)
    assert "cannot be written (database or disk is full)" in outbox.error
    assert count_logged(caplog, "cannot be written") == 1
    waiting = seqs(outbox)
    assert waiting == list(range(outbox.dropped, 600))
    outbox.release()
    half = outbox.take_batch(len(waiting) // 2)
    outbox.acknowledge(entry.id for entry in half)
    outbox.release()
    assert seqs(outbox) == waiting[len(half) :]
    for filler in fillers:
        filler.unlink()
    clock.pass_s(RETRY_S)
    outbox.commit()
    assert outbox.error is None and count_logged(caplog, "can be written again") == 1
    outbox.close()
    with closing(clock.outbox(path)) as left:
        assert seqs(left) == waiting[len(half) :]


def test_memory_is_bounded_while_nothing_can_be_written(path, clock):
    path.mkdir()
    outbox = clock.outbox(path)
    outbox.append(events(0, MAX_EVENTS))
    outbox.append(events(MAX_EVENTS, MAX_EVENTS + 500))
    assert (outbox.waiting, outbox.dropped) == (MAX_EVENTS, 500)
    assert seqs(outbox, 1) == [500]


def test_notes_are_bounded_while_nothing_can_be_written(path, clock):
    path.mkdir()  # months with an SD card that has become read-only and a broker that accepts everything
    outbox = clock.outbox(path, max_events=100)

    def live_through(first: int, last: int) -> int:
        for number in range(first, last):
            pair = [
                {"topic": TOPIC, "payload": {"seq": number, "id": f"id-{number}", "type": kind}}
                for kind in ("started", "ended")
            ]
            outbox.append(pair)
            outbox.acknowledge(entry.id for entry in outbox.take_batch(10))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before_bytes = live_through(0, 2 * MAX_EVENTS)
        assert live_through(2 * MAX_EVENTS, 3 * MAX_EVENTS) - before_bytes < 500_000
    finally:
        tracemalloc.stop()
    path.rmdir()
    clock.pass_s(RETRY_S)
    outbox.append(events(7, 8))
    assert outbox.error is None and seqs(outbox) == [7]
    assert outbox.open_events() == []


WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from appliance.messaging.outbox.outbox import Outbox

    outbox = Outbox(Path(sys.argv[1]), 100_000, 604_800)
    for number in range(int(sys.argv[2])):
        outbox.append([{"topic": "t", "payload": {"seq": number}}])
        print(number, outbox.error or "", flush=True)
    outbox.close()
    """
)


def run_writer(path: Path, count: int, *wrapper: str) -> subprocess.CompletedProcess:
    command = [*wrapper, sys.executable, "-c", WRITER, str(path), str(count)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
def test_kill_at_any_write_keeps_what_was_reported_written(tmp_path, open_outbox, call):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed (apt-get install strace)")
    for when in (3, 9, 14):
        path = tmp_path / f"{call}-{when}" / "outbox.db"
        wal = f"{path}-wal"
        inject = f"inject={call}:signal=SIGKILL:when={when}"
        done = run_writer(path, 200, "strace", "-f", "-qq", "-o", "/dev/null", "-P", str(path), "-P", wal, "-e", inject)
        if done.returncode not in (-signal.SIGKILL, 128 + signal.SIGKILL):
            pytest.skip(f"strace cannot inject here: {done.stderr.strip()[-200:]}")
        written = len(done.stdout.splitlines())
        outbox = open_outbox(path, 1000)
        assert seqs(outbox)[:written] == list(range(written))


def test_disk_errors_reach_no_caller_and_lose_nothing(tmp_path, open_outbox):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed (apt-get install strace)")
    path = tmp_path / "outbox.db"
    inject = "inject=fdatasync:error=EIO:when=20..22"
    done = run_writer(path, 60, "strace", "-f", "-qq", "-o", "/dev/null", "-e", inject)
    lines = done.stdout.splitlines()
    if not any("cannot be written" in line for line in lines):
        pytest.skip(f"strace cannot inject here: {done.stderr.strip()[-200:]}")
    assert len(lines) == 60, "every append returned"
    assert done.stderr.count("cannot be written (disk I/O error)") == 1
    assert seqs(open_outbox(path, 1000)) == list(range(60))


def test_every_commit_is_synced_and_a_batch_is_one(tmp_path):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed (apt-get install strace)")
    trace = tmp_path / "trace"
    done = run_writer(
        tmp_path / "outbox.db", 50, "strace", "-f", "-qq", "-o", str(trace), "-e", "trace=fdatasync,fsync"
    )
    if done.returncode:
        pytest.skip(f"strace does not work here: {done.stderr.strip()[-200:]}")
    syncs = trace.read_text().count("sync(")
    assert 50 <= syncs < 65  # one for each of 50 transactions, and those for opening and closing the file


def test_read_only_folder_keeps_new_events_in_memory_and_delivers_old_ones(tmp_path, caplog, clock, make_read_only):
    folder = tmp_path / "state"
    path = folder / "outbox.db"
    outbox = clock.outbox(path)
    outbox.append(events(0, 3) + events(3, 4, id="a", type="started"))
    content, wal = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    outbox.close()
    path.write_bytes(content)
    Path(f"{path}-wal").write_bytes(wal)  # as after a power cut
    make_read_only(folder)
    again = clock.outbox(path)
    assert "cannot be written" in again.error
    assert [event["id"] for event in again.open_events()] == ["a"]
    again.append(events(4, 6))
    assert again.waiting == 6
    assert deliver_all(again) == [0, 1, 2, 3, 4, 5]
    assert again.waiting == 0
    clock.pass_s(RETRY_S)
    again.append(events(6, 7))
    assert deliver_all(again) == [6]
    again.close()
    assert count_logged(caplog, "cannot be written") == 1


def test_fifo_in_the_files_place_is_set_aside(path, caplog):
    os.mkfifo(path)
    os.mkfifo(f"{path}.reserve")
    Path(f"{path}-wal").mkdir()
    with closing(Outbox(path, 100, WEEK_S)) as outbox:
        outbox.append(events(0, 3))
        assert outbox.error is None
        assert deliver_all(outbox) == [0, 1, 2]
    assert count_logged(caplog, "is not a regular file") == 1


@pytest.mark.parametrize("column", ["payload", "topic"])
def test_unreadable_row_is_set_aside_and_logged_once(path, caplog, column):
    outbox = Outbox(path, 100, WEEK_S)
    outbox.append(events(0, 5))
    outbox.close()
    with closing(sqlite3.connect(path)) as db, db:
        for offset, bad in enumerate((b"{broken\x00", b"\xff\xfe")):
            row = f"(SELECT min(id) + {offset} FROM events)"
            db.execute(f"UPDATE events SET {column} = CAST(? AS TEXT) WHERE id = {row}", (bad,))
    db.close()
    caplog.clear()
    again = Outbox(path, 100, WEEK_S)
    delivered = deliver_all(again)
    assert (delivered, again.set_aside) == ([2, 3, 4], 2)
    assert again.waiting == 0
    again.release()
    assert deliver_all(again) == []
    again.close()
    assert count_logged(caplog, "cannot be used") == 1
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM set_aside").fetchone()[0] == again.set_aside
