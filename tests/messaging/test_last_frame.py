"""Test the record of the last frame: it survives kill -9, and damage is detected."""

import subprocess
import sys

from appliance.messaging.last_frame import LastFrame

_DIES = """
import os, signal, sys
from pathlib import Path
from appliance.messaging.last_frame import LastFrame
record = LastFrame(Path(sys.argv[1]))
for number in range(1000):
    record.note(1000.0 + number, {"one": 0.5 + number / 10000, "two": 0.25})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_loses_nothing(tmp_path):
    died = subprocess.run([sys.executable, "-c", _DIES, str(tmp_path / "last")], check=False)
    assert died.returncode == -9
    before = LastFrame(tmp_path / "last").before
    assert (before.time_s, before.peaks) == (1999.0, {"one": 0.5999, "two": 0.25})


def test_the_newest_counts_over_many_processes(tmp_path):
    for number in range(5):
        record = LastFrame(tmp_path / "last")
        assert number == 0 or record.before.time_s == number - 1
        record.note(float(number), {"one": 0.5})
        record.close()


def test_nothing_is_written_while_nothing_is_open(tmp_path):
    record = LastFrame(tmp_path / "last")
    record.note(1.0, {})
    assert (tmp_path / "last").read_bytes() == b""
    record.note(2.0, {"one": 0.5})
    record.note(3.0, {})
    written = (tmp_path / "last").read_bytes()
    record.note(4.0, {})
    assert (tmp_path / "last").read_bytes() == written
    assert LastFrame(tmp_path / "last").before.time_s == 3.0


def test_any_damage_is_noticed(tmp_path):
    file = tmp_path / "last"
    record = LastFrame(file)
    record.note(1.0, {"one": 0.5})
    record.close()
    whole = file.read_bytes()
    start = whole.index(b"LFR1")
    for place in range(start, len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert LastFrame(file).before is None, place
        file.write_bytes(whole[:place])
        assert LastFrame(file).before is None, place


def test_thousands_of_open_events_keep_the_newest_peaks(tmp_path):
    record = LastFrame(tmp_path / "last")
    record.note(7.0, {f"{number:036}": 0.5 for number in range(5000)})
    before = LastFrame(tmp_path / "last").before
    assert before.time_s == 7.0
    assert f"{4999:036}" in before.peaks
    assert 500 < len(before.peaks) < 5000


def test_unusable_file_is_logged_once(tmp_path, caplog):
    (tmp_path / "last").mkdir()
    record = LastFrame(tmp_path / "last")
    record.note(1.0, {"one": 0.5})
    record.note(2.0, {"one": 0.5})
    assert record.before is None
    assert len(caplog.records) == 1
