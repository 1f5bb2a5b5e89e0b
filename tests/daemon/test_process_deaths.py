"""Test the record of deaths of the process that the model caused."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from appliance.daemon.process_deaths import ProcessDeaths

KEY, OTHER = "a" * 64, "b" * 64


class Machine:
    """The time and the boot id, which the test sets."""

    def __init__(self, state):
        self.state, self.now_s, self.boot = state, 1000.0, "boot-1"

    @property
    def deaths(self):
        return ProcessDeaths(self.state, self.boot, lambda: self.now_s)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_two_deaths_within_an_hour_are_a_fault(machine):
    machine.deaths.record(KEY, "it does not respond")
    assert machine.deaths.find_fault(KEY) is None
    machine.now_s += 3599
    machine.deaths.record(KEY, "it does not respond")
    assert "2 times within an hour: it does not respond" in machine.deaths.find_fault(KEY)
    assert machine.deaths.find_fault(OTHER) is None
    machine.deaths.forget()
    assert machine.deaths.find_fault(KEY) is None


def test_deaths_of_another_hour_boot_or_model_do_not_count(machine):
    machine.deaths.record(KEY, "x")
    machine.now_s += 3601
    machine.deaths.record(KEY, "x")
    assert machine.deaths.find_fault(KEY) is None
    machine.boot = "boot-2"
    machine.deaths.record(KEY, "x")
    assert machine.deaths.find_fault(KEY) is None
    machine.deaths.record(OTHER, "x")
    assert machine.deaths.find_fault(KEY) is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '[{"key": 1}]', '[{"key": "k", "boot": "b", "time_s": []}]', "[" * 9999]
)
def test_unusable_file_counts_as_none(machine, content):
    (machine.state / "model-deaths.json").write_text(content)
    assert machine.deaths.find_fault(KEY) is None
    machine.deaths.record(KEY, "x")
    machine.deaths.record(KEY, "x")
    assert machine.deaths.find_fault(KEY)


def test_file_that_cannot_be_written_is_logged(machine, caplog):
    (machine.state / "model-deaths.json").mkdir()
    machine.deaths.record(KEY, "x")
    assert "model-deaths.json cannot be written" in caplog.text


def die(state: Path, code: str) -> int:
    """Run code in a process that watches for crashes; return its exit status."""
    watched = f"""
        import sys
        from pathlib import Path
        from appliance.daemon.process_deaths import ProcessDeaths
        ProcessDeaths(Path({str(state)!r}), "boot").watch_crashes()
    """
    text = textwrap.dedent(watched) + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", text], check=False, capture_output=True).returncode


IN_MODEL = """
    import ctypes
    from appliance.labeling.interpreter import LoadedModel
    model = LoadedModel.__new__(LoadedModel)
    class Native:
        def invoke(self):
            ctypes.string_at(0)
    model._interpreter = Native()
    model.invoke()
"""


def test_crash_in_the_model_is_found_at_the_next_start(machine, caplog):
    assert die(machine.state, IN_MODEL) == -signal.SIGSEGV
    assert "Segmentation fault" in machine.deaths.take_crash()
    assert "in invoke" in caplog.text
    assert machine.deaths.take_crash() is None


@pytest.mark.parametrize(
    "code",
    [
        "import ctypes; ctypes.string_at(0)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "sys.exit(1)",
    ],
)
def test_other_ends_do_not_count_against_the_model(machine, code):
    assert die(machine.state, code)
    assert machine.deaths.take_crash() is None


def test_anything_in_place_of_the_crash_file_is_survived(machine):
    os.mkfifo(machine.state / "crash.txt")
    assert machine.deaths.take_crash() is None
    assert die(machine.state, "sys.exit(3)") == 3
    (machine.state / "crash.txt").unlink(missing_ok=True)
    (machine.state / "crash.txt").write_bytes(b"\xff\x00 \x1b[31mCurrent thread\n" + b"x" * 100_000)
    assert machine.deaths.take_crash() is None
    assert not (machine.state / "crash.txt").exists()
