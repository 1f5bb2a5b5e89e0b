"""Test in which local time models may be swapped in."""

import time
from datetime import datetime

import pytest

from appliance.settings.schema import UpdateSettings
from appliance.updates.window import parse_window
from support import made_models
from support.broker import wait_until
from support.bundles import bundle_folder
from support.model_server import Status
from support.rig import Rig, publish, publish_second


def at(hour, minute=0, day=10):
    return datetime(2030, 1, day, hour, minute).astimezone()


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        ("02:00-05:00", [(2, 0), (4, 59)], [(1, 59), (5, 0), (12, 0)]),
        ("22:30-04:00", [(22, 30), (23, 59), (0, 0), (3, 59)], [(22, 29), (4, 0)]),
    ],
)
def test_window_is_a_part_of_the_day(window, inside, outside):
    found = parse_window(window)
    assert all(found.contains(at(*time)) for time in inside)
    assert not any(found.contains(at(*time)) for time in outside)


def test_next_window_is_named():
    window = parse_window("02:00-05:00")
    assert window.find_obstacle(at(3)) is None and "open" in window.describe(at(3))
    assert "2030-01-10 at 02:00" in window.find_obstacle(at(1)) and "2030-01-11 at 02:00" in window.describe(at(6))
    assert "clock" in window.find_obstacle(datetime(1970, 1, 2, 3).astimezone())
    assert parse_window(None) is None and UpdateSettings().window is None


@pytest.mark.parametrize(
    ("window", "opens"),
    [("02:15-02:45", "03-29 at 02:15"), ("02:15-05:00", "03-28 at 03:00"), ("04:00-05:00", "03-28 at 04:00")],
)
def test_next_window_skips_the_hour_that_does_not_exist(monkeypatch, window, opens):
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")  # Europe/Berlin without tzdata
    time.tzset()
    try:
        now = datetime(2027, 3, 28, 1, 59).astimezone()
        assert f"opens on 2027-{opens}" in parse_window(window).find_obstacle(now)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.fixture
def waiting(tmp_path, server):
    """A device at 12:00 with a window at night, and a newer model; the time is in the list."""
    installed = bundle_folder(tmp_path / "v1", version="1.0", model=made_models.good(1))
    rig = Rig(tmp_path / "device", server.url("/manifest.json"), installed=installed, window="02:00-05:00")
    rig.times = [at(12)]
    rig.start(local_time=lambda: rig.times[0])
    publish_second(server, tmp_path)
    rig.check()
    rig.until("waiting")
    yield rig
    rig.stop()


def open_window(rig):
    rig.times[0] = at(2, 1, day=11)
    rig.updater.notify_store_changed()


def test_tested_model_waits_for_the_window_and_is_swapped_in_it(waiting, server):
    assert waiting.states == ["available", "downloading", "verifying", "probing", "waiting"]
    assert "2030-01-11 at 02:00" in waiting.steps[-1].reason and waiting.steps[-1].version == "2.0"
    assert waiting.runs == waiting.would_run == "colours 1.0" and waiting.status.latest_version == "2.0"
    answer = waiting.check()
    assert answer["waiting"] and not answer["taken"] and "02:00" in answer["reason"]
    assert waiting.states[-1] == "waiting" and waiting.states.count("probing") == 1
    open_window(waiting)
    waiting.until("committed")
    assert waiting.runs == "colours 2.0"
    assert len(server.asked("/model.tflite", "GET")) == 1


def test_failing_source_is_retried_with_a_delay_in_the_window(waiting, server):
    server.fault("/manifest.json", Status(503))
    open_window(waiting)
    waiting.until("failed")
    before = len(server.requests)
    schedule, requests = waiting.updater._schedule, waiting.updater._requests
    waiting.updater.notify_store_changed()
    wait_until(lambda: requests._queue.empty() and schedule.wait_s, "the next attempt is scheduled")
    assert len(server.requests) == before and schedule.wait_s > 1
    server.mend()
    schedule.check_now()
    waiting.updater.notify_store_changed()
    waiting.until("committed")


def test_waiting_model_survives_a_restart(waiting):
    waiting.stop()
    waiting.start(local_time=lambda: waiting.times[0])
    waiting.until("waiting", 2)
    open_window(waiting)
    waiting.until("committed")
    assert waiting.runs == "colours 2.0"


def test_waiting_model_that_is_withdrawn_is_not_swapped_in(waiting, server, tmp_path):
    publish(server, tmp_path / "again", version="1.0", model=made_models.good(1))
    open_window(waiting)
    waiting.check()
    assert waiting.runs == "colours 1.0" and "swapped" not in waiting.states


def test_model_is_taken_back_outside_of_the_window(waiting, server, tmp_path):
    open_window(waiting)
    waiting.updater._monitor._settings = UpdateSettings(probation_s=600.0)
    waiting.until("probation")
    waiting.times[0] = at(12, day=11)
    publish(server, tmp_path / "again", version="1.0", model=made_models.good(1))
    assert waiting.check()["taken_back"] == "2.0" and waiting.runs == "colours 1.0"
