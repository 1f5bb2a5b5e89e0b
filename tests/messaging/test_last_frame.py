"""Test the record of the last frame: it survives kill -9, and damage is detected."""

import struct
import subprocess
import sys
import zlib

import pytest

from appliance.labeling.tracker import EventProgress
from appliance.messaging.last_frame import LastFrame

ONE = {"one": EventProgress(0.5)}

_DIES = """
import os, signal, sys
from pathlib import Path
from appliance.labeling.tracker import EventProgress
from appliance.messaging.last_frame import LastFrame
record = LastFrame(Path(sys.argv[1]))
for number in range(1000):
    events = {"one": EventProgress(0.5 + number / 10000, number / 4), "two": EventProgress(0.25, 3.5, True)}
    record.note(1000.0 + number, events)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_loses_nothing(tmp_path):
    died = subprocess.run([sys.executable, "-c", _DIES, str(tmp_path / "last")], check=False)
    assert died.returncode == -9
    before = LastFrame(tmp_path / "last").before
    assert before.time_s == 1999.0
    assert before.events == {"one": EventProgress(0.5999, 249.75), "two": EventProgress(0.25, 3.5, True)}


def test_record_of_the_first_release_has_peaks_only(tmp_path):
    body = b'{"one": 0.75}'
    covered = struct.pack("<QdI", 3, 1234.5, len(body)) + body
    (tmp_path / "last").write_bytes(struct.pack("<4sI", b"LFR1", zlib.crc32(covered)) + covered)
    before = LastFrame(tmp_path / "last").before
    assert (before.time_s, before.events) == (1234.5, {"one": EventProgress(0.75)})


@pytest.mark.parametrize("body", [b"[]", b"3", b'{"one": null}', b'{"one": [1, 2, 3, 4]}', b"[" * 3000, b"\xff"])
def test_record_with_another_content_is_ignored(tmp_path, body):
    covered = struct.pack("<QdI", 3, 1234.5, len(body)) + body
    (tmp_path / "last").write_bytes(struct.pack("<4sI", b"LFR2", zlib.crc32(covered)) + covered)
    assert LastFrame(tmp_path / "last").before is None


def test_the_newest_counts_over_many_processes(tmp_path):
    for number in range(5):
        record = LastFrame(tmp_path / "last")
        assert number == 0 or record.before.time_s == number - 1
        record.note(float(number), ONE)
        record.close()


def test_nothing_is_written_while_nothing_is_open(tmp_path):
    record = LastFrame(tmp_path / "last")
    record.note(1.0, {})
    assert (tmp_path / "last").read_bytes() == b""
    record.note(2.0, ONE)
    record.note(3.0, {})
    written = (tmp_path / "last").read_bytes()
    record.note(4.0, {})
    assert (tmp_path / "last").read_bytes() == written
    assert LastFrame(tmp_path / "last").before.time_s == 3.0


def test_any_damage_is_noticed(tmp_path):
    file = tmp_path / "last"
    record = LastFrame(file)
    record.note(1.0, ONE)
    record.close()
    whole = file.read_bytes()
    start = whole.index(b"LFR2")
    for place in range(start, len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert LastFrame(file).before is None, place
        file.write_bytes(whole[:place])
        assert LastFrame(file).before is None, place


def test_thousands_of_open_events_keep_the_newest_peaks(tmp_path):
    record = LastFrame(tmp_path / "last")
    record.note(7.0, {f"{number:036}": EventProgress(0.5) for number in range(5000)})
    before = LastFrame(tmp_path / "last").before
    assert before.time_s == 7.0
    assert f"{4999:036}" in before.events
    assert 500 < len(before.events) < 5000


def test_unusable_file_is_logged_once(tmp_path, caplog):
    (tmp_path / "last").mkdir()
    record = LastFrame(tmp_path / "last")
    record.note(1.0, ONE)
    record.note(2.0, ONE)
    assert record.before is None
    assert len(caplog.records) == 1
