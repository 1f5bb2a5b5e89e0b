"""The rate of frames, and the files beside a model."""

import time
from pathlib import Path
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


def make_sources(folder: Path, read_state=StoreState):
    bundle = SimpleNamespace(source=folder)
    active = SimpleNamespace(current=SimpleNamespace(bundle=bundle), store=SimpleNamespace(read_state=read_state))
    return PageSources(SimpleNamespace(active=active), None, None, None, None)


def test_card_and_report_are_found_beside_the_model(tmp_path):
    sources = make_sources(tmp_path)
    assert sources.find_card() is None and sources.find_report() is None
    (tmp_path / "report.html").symlink_to("/etc/passwd")
    assert sources.find_report() is None
    (tmp_path / "README.md").write_text("# Card")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("x")
    assert sources.find_card().name == "README.md" and sources.find_report().name == "index.html"


def test_store_that_cannot_be_read_is_shown_as_empty(tmp_path):
    calls = []

    def fail():
        calls.append(1)
        raise StoreError("damaged")

    sources = make_sources(tmp_path, fail)
    assert sources.read_store() == sources.read_store() == StoreState() and len(calls) == 1
