"""Test which time counts against a child process."""

import signal
import subprocess
import sys

import pytest

from appliance.labeling.probe_timer import HELD_UP_FACTOR, ProbeTimer
from support.broker import wait_until


@pytest.fixture
def start():
    children = []

    def start(code):
        children.append(subprocess.Popen([sys.executable, "-c", code]))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()


def read_state(child):
    with open(f"/proc/{child.pid}/stat") as file:  # noqa: PTH123 - of the kernel
        return file.read().rpartition(")")[2].split()[0]


def test_sleep_counts_in_full_and_a_stop_does_not(start):
    child = start("import time; time.sleep(60)")
    wait_until(lambda: read_state(child) == "S", "the child sleeps")
    times = [0.0]
    timer = ProbeTimer(child.pid, 10.0, lambda: times[0])
    times[0] = 0.25
    timer.update()
    assert timer.used_s >= 0.25
    used_s = timer.used_s
    child.send_signal(signal.SIGSTOP)
    wait_until(lambda: read_state(child) == "T", "the child is stopped")
    timer.update()
    for _ in range(100):
        times[0] += 0.25
        timer.update()
    assert timer.used_s - used_s < 0.3


def test_suspension_of_both_processes_does_not_count(start):
    child = start("import time; time.sleep(60)")
    wait_until(lambda: read_state(child) == "S", "the child sleeps")
    times = [0.0]
    timer = ProbeTimer(child.pid, 10.0, lambda: times[0])
    times[0] = 10.0 * HELD_UP_FACTOR - 1
    timer.update()
    assert timer.used_s < 2 and not timer.is_held_up


def test_processor_time_counts(start):
    child = start("while True: pass")
    timer = ProbeTimer(child.pid, 10.0)
    wait_until(lambda: timer.update() or timer.used_s > 0.3, "0.3 s of processor time")


def test_process_that_is_stopped_for_long_is_held_up(start):
    child = start("import time; time.sleep(60)")
    child.send_signal(signal.SIGSTOP)
    wait_until(lambda: read_state(child) == "T", "the child is stopped")
    times = [0.0]
    timer = ProbeTimer(child.pid, 10.0, lambda: times[0])
    for _ in range(int(10 * HELD_UP_FACTOR) + 1):
        assert not timer.is_held_up
        times[0] += 1
        timer.update()
    assert timer.is_held_up
