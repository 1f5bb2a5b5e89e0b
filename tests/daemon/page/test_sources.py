"""The rate of frames, and the state of the store."""

import time
from types import SimpleNamespace

import pytest

from appliance.daemon.page.sources import FrameRate, PageSources
from appliance.errors import StoreError
from appliance.updates.store.state import StoreState


def test_rate_is_measured_over_the_last_frames_and_ends_with_them():
    rate, now_s = FrameRate(), time.monotonic()
    assert rate.fps is None
    for number in range(40):
        rate.on_frame(SimpleNamespace(frame=SimpleNamespace(monotonic_s=now_s - 4 + number * 0.1)))
    assert rate.fps == pytest.approx(10, abs=0.5)
    for number in range(20):
        rate.on_frame(SimpleNamespace(frame=SimpleNamespace(monotonic_s=now_s - 60 + number * 0.1)))
    assert rate.fps == 0.0


def test_store_that_cannot_be_read_is_shown_as_empty():
    calls = []

    def fail():
        calls.append(1)
        raise StoreError("damaged")

    active = SimpleNamespace(store=SimpleNamespace(read_state=fail))
    sources = PageSources(SimpleNamespace(active=active), None, None, None, None)
    assert sources.read_store() == sources.read_store() == StoreState() and len(calls) == 1
