"""Heartbeats and the threads that have them."""

import sys
import time

import pytest

from appliance.system.threads import Heartbeat, WatchedThread, find_overdue, set_switch_interval


def test_work_is_overdue_after_its_deadline_only():
    heartbeat = Heartbeat("capture")
    with heartbeat.deadline(10, "opening the camera"):
        assert heartbeat.overdue() is None
        assert heartbeat.overdue(time.monotonic() + 11) == "the capture thread is stuck in opening the camera"
    assert heartbeat.overdue(time.monotonic() + 1e9) is None


def test_inner_work_ends_and_the_outer_deadline_counts_again():
    heartbeat = Heartbeat("labeling")
    with heartbeat.deadline(10, "a frame"):
        with heartbeat.deadline(1000, "a long step"):
            assert heartbeat.overdue(time.monotonic() + 500) is None
        assert "a frame" in heartbeat.overdue(time.monotonic() + 500)


def test_work_that_raises_ends_its_deadline():
    heartbeat = Heartbeat("labeling")
    with pytest.raises(ZeroDivisionError), heartbeat.deadline(0, "a frame"):
        raise ZeroDivisionError
    assert heartbeat.overdue(time.monotonic() + 1) is None


def test_first_thread_past_its_deadline_is_found():
    calm, stuck = Heartbeat("calm"), Heartbeat("stuck")
    assert find_overdue([calm, stuck]) is None
    with stuck.deadline(-1, "native code"):
        assert find_overdue([calm, stuck]) == "the stuck thread is stuck in native code"


def test_exception_that_ends_a_thread_is_kept():
    def fail():
        raise SystemExit(3)

    thread = WatchedThread("worker", fail)
    thread.start()
    thread.join(5)
    assert isinstance(thread.failure, SystemExit)
    assert thread.daemon and thread.heartbeat.name == "worker"


def test_thread_that_returns_has_no_failure():
    thread = WatchedThread("worker", lambda: None)
    thread.start()
    thread.join(5)
    assert thread.failure is None


def test_interpreter_is_released_more_often():
    before = sys.getswitchinterval()
    try:
        set_switch_interval()
        assert sys.getswitchinterval() < before or before <= 0.0005
    finally:
        sys.setswitchinterval(before)
