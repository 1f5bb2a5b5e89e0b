"""Test the watchdog: fed normally, not fed if a thread is stuck, an error if a thread failed or memory runs out."""

import time

import pytest

from appliance.daemon.watchdog import LabelingWatch, Watchdog
from appliance.errors import ApplianceError
from appliance.system.threads import Heartbeat, WatchedThread


class FeedCounter:
    """Counts how often systemd's watchdog is fed."""

    def __init__(self):
        self.feeds = 0

    def feed_watchdog(self):
        self.feeds += 1


@pytest.fixture
def notifier():
    return FeedCounter()


def make_watchdog(notifier, threads=(), camera=None, ends=None, limit_mb=None, rss_mb=100.0, labeling=None):
    return Watchdog(
        threads,
        camera or Heartbeat("capture"),
        notifier,
        lambda: None if ends is None else ends.append(True),
        limit_mb,
        lambda: rss_mb,
        labeling,
    )


def test_watchdog_is_fed_while_threads_are_in_time(notifier):
    make_watchdog(notifier, [WatchedThread("labeling", lambda: None)]).check()
    assert notifier.feeds == 1


def test_dead_thread_is_an_error(notifier):
    def fail():
        raise ValueError("unexpected")

    thread = WatchedThread("labeling", fail)
    thread.start()
    thread.join(10)
    with pytest.raises(ApplianceError, match=r"labeling.*unexpected"):
        make_watchdog(notifier, [thread]).check()
    assert notifier.feeds == 0


def test_hanging_thread_stops_the_feeding(notifier, caplog):
    thread, ends = WatchedThread("labeling", lambda: None), []
    with thread.heartbeat.deadline(-1, "labeling a frame"):
        make_watchdog(notifier, [thread], ends=ends).check()
    assert (notifier.feeds, ends) == (0, [])
    assert "labeling a frame" in caplog.text


def test_hanging_camera_call_ends_the_process(notifier):
    thread, ends = WatchedThread("capture", lambda: None), []
    with thread.heartbeat.deadline(-1, "reading a frame"):
        make_watchdog(notifier, [thread], camera=thread.heartbeat, ends=ends).check()
    assert (notifier.feeds, ends) == (0, [True])


@pytest.mark.parametrize(
    ("after_s", "ended"), [(9.0, []), (29.0, []), (31.0, ["the labeling thread is stuck in labeling a frame"])]
)
def test_frame_that_takes_over_30_s_ends_the_process(notifier, after_s, ended):
    overdue, thread, ends = WatchedThread("labeling", lambda: None), Heartbeat("labeling"), []
    labeling = LabelingWatch(thread, 10.0, ends.append, lambda: time.monotonic() + after_s)
    with overdue.heartbeat.deadline(-1, "labeling a frame"), thread.deadline(10.0, "labeling a frame"):
        make_watchdog(notifier, [overdue], labeling=labeling).check()
    assert (notifier.feeds, ends) == (0, ended)


def test_thread_that_stays_stuck_is_logged_once(notifier, caplog):
    thread = WatchedThread("publisher", lambda: None)
    watchdog = make_watchdog(notifier, [thread])
    with thread.heartbeat.deadline(-1, "writing"):
        for _ in range(30):
            watchdog.check()
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("limit_mb", "is_error"), [(None, False), (101.0, False), (99.0, True)])
def test_memory_above_the_limit_is_an_error(notifier, limit_mb, is_error):
    watchdog = make_watchdog(notifier, limit_mb=limit_mb)
    if not is_error:
        watchdog.check()
        return
    with pytest.raises(ApplianceError, match=r"100 MB.*99 MB.*APPLIANCE_MEMORY_LIMIT"):
        watchdog.check()
