"""Another command of this program as a child that disturbs nothing."""

import os
import signal
import time
from pathlib import Path

import pytest

from appliance.daemon.teaching.child import Child, run_command
from appliance.errors import ControlError
from support.broker import wait_until


def test_answer_and_lines_are_passed_on(program):
    program.answer("dataset", {"added": []}, errors='{"step": "a"}\nappliance: left out\n', status=1)
    lines = []
    child = Child(["dataset", "import"], lines.append)
    status, output = child.wait()
    assert (status, output.strip(), lines) == (1, '{"added": []}', ['{"step": "a"}', "appliance: left out"])
    assert child.describe_failure(status) == "left out"
    assert run_command(["dataset"]) == {"added": []}


def test_child_has_the_lowest_priority_and_dies_first(program):
    program.answer("train", {}, waits=True)
    child = Child(["train"], processors={min(os.sched_getaffinity(0))})
    try:
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == 19
        assert Path(f"/proc/{child.pid}/oom_score_adj").read_text().strip() == "1000"
        assert len(os.sched_getaffinity(child.pid)) == 1
        assert os.getpgid(child.pid) == child.pid
    finally:
        child.end()
        child.wait()


def test_ending_takes_seconds_at_most(program):
    program.answer("train", {}, waits=True)
    child = Child(["train"])
    wait_until(lambda: program.calls, "the child runs")
    started_s = time.monotonic()
    child.end()
    status, _ = child.wait()
    assert time.monotonic() - started_s < 5 and status == -signal.SIGTERM


def test_death_for_want_of_memory_is_named(program):
    program.answer("train", {}, waits=True)
    child = Child(["train"])
    wait_until(lambda: program.calls, "the child runs")
    os.kill(child.pid, signal.SIGKILL)
    status, _ = child.wait()
    assert "memory" in child.describe_failure(status)
    assert "SIGSEGV" in child.describe_failure(-signal.SIGSEGV)


def test_failed_command_is_one_clean_sentence(program):
    program.answer("dataset", {"error": "no \x1b[31mpicture"}, status=1)
    with pytest.raises(ControlError, match=r"no .*picture") as caught:
        run_command(["dataset"])
    assert "\x1b" not in str(caught.value)
    program.answer("evaluate", errors="appliance: error: bad\n", status=1)
    with pytest.raises(ControlError, match="bad"):
        run_command(["evaluate"])
