"""Test the labeling thread: what takes effect between two frames, and what happens to waiting frames."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.camera.scene.camera import draw_scene
from appliance.camera.source import CameraState
from appliance.daemon.meter import Meter
from appliance.daemon.pipeline import Pipeline
from appliance.daemon.results import FrameResult, ResultListener
from appliance.imaging.frame import Frame
from appliance.imaging.frame_slot import FrameSlot
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import EventSettings, LabelerSettings
from support.paths import FLOWERS


class ResultLog(ResultListener):
    """Records the results of the pipeline."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str | None]] = []
        self.frames: list[int] = []
        self.engines = self.failures = 0
        self.unknown: list[str] = []
        self.changed = threading.Condition()

    def on_frame(self, result: FrameResult) -> None:
        with self.changed:
            self.frames.append(result.frame.number)
            self._add(result.events)

    def on_events_ended(self, events) -> None:
        with self.changed:
            self._add(events)

    def on_engine_changed(self, engine) -> None:
        with self.changed:
            self.engines += 1
            self.changed.notify_all()

    def on_frame_failed(self, error: str) -> None:
        with self.changed:
            self.failures += 1
            self.changed.notify_all()

    def on_labels_unknown(self, reason: str) -> None:
        with self.changed:
            self.unknown.append(reason)
            self.changed.notify_all()

    def _add(self, events) -> None:
        self.events += [(event.type, event.reason) for event in events]
        self.changed.notify_all()

    def wait_for(
        self, frame: int | None = None, engines: int = 0, failures: int = 0, unknown: str | None = None
    ) -> None:
        def has_come() -> bool:
            if unknown and unknown not in self.unknown:
                return False
            return (frame is None or frame in self.frames) and self.engines >= engines and self.failures >= failures

        with self.changed:
            assert self.changed.wait_for(has_come, 10)


@pytest.fixture
def results() -> ResultLog:
    return ResultLog()


@pytest.fixture
def slot() -> FrameSlot:
    return FrameSlot()


class Now:
    """The monotonic time, which the test sets."""

    def __init__(self) -> None:
        self.s = 1000.0


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def pipeline(results: ResultLog, slot: FrameSlot, now: Now) -> Iterator[Pipeline]:
    """Make a pipeline that is not started yet, and in which a single frame starts a label."""
    numbers = count(1)
    events = EventSettings(start_frames=1, end_after_s=2, cooldown_s=300)
    pipeline = Pipeline(
        slot, LabelerSettings(), events, results, lambda: f"id-{next(numbers)}", Meter(), clock=lambda: now.s
    )
    pipeline.use(pipeline.prepare(Labeler(read_bundle(FLOWERS)), None))
    yield pipeline
    pipeline.stop()


def make_frame(number: int) -> Frame:
    return Frame(draw_scene("tulips", np.random.default_rng(1)), 1000.0 + number, float(number), number)


def start(pipeline: Pipeline) -> threading.Thread:
    thread = threading.Thread(target=pipeline.run, daemon=True)
    thread.start()
    return thread


def test_frame_older_than_the_end_of_events_is_skipped(pipeline, results, slot):
    # On a slow machine a frame is always waiting; it is older than the request to end events but labeled after it.
    slot.put(make_frame(1))
    pipeline.note_camera(CameraState.OFF)
    start(pipeline)
    pipeline.set_threshold(None)  # takes effect after the events have ended
    results.wait_for(engines=2)
    slot.put(make_frame(2))
    results.wait_for(2)
    assert results.frames == [2]
    assert results.events == [("started", None)]


def test_stop_ends_open_events_and_labels_nothing_more(pipeline, results, slot):
    thread = start(pipeline)
    slot.put(make_frame(1))
    results.wait_for(1)
    pipeline.stop()
    slot.put(make_frame(2))
    thread.join(10)
    assert not thread.is_alive()
    assert results.events == [("started", None), ("ended", "stop")]


def make_broken_frame(number: int) -> Frame:
    """Make a frame that no model can label."""
    return Frame(np.zeros((0, 0, 3), np.uint8), 1000.0 + number, float(number), number)


def test_event_ends_although_every_later_frame_fails(pipeline, results, slot, now):
    start(pipeline)
    slot.put(make_frame(1))
    results.wait_for(1)
    for number in range(2, 12):  # far longer than end_after_s, but such frames say nothing about the label
        now.s += 1.0
        slot.put(make_broken_frame(number))
        results.wait_for(failures=number - 1)
        assert results.events == [("started", None)]
    now.s += 2.0
    results.wait_for(unknown="labeling")
    assert results.events == [("started", None), ("ended", "labeling")]
    slot.put(make_frame(12))
    results.wait_for(12)
    assert pipeline.error is None


def test_single_frames_that_fail_end_no_event(pipeline, results, slot):
    start(pipeline)
    for number in range(1, 20):
        slot.put(make_frame(number) if number % 2 else make_broken_frame(number))
        results.wait_for(number if number % 2 else None, failures=number // 2)
    assert results.events == [("started", None)]


def test_camera_that_is_gone_for_a_moment_changes_nothing(pipeline, results, slot, now):
    start(pipeline)
    slot.put(make_frame(1))
    results.wait_for(1)
    for number in range(2, 8):
        pipeline.note_camera(CameraState.ABSENT)
        now.s += 9.0
        pipeline.note_camera(CameraState.STREAMING)
        slot.put(make_frame(number))
        results.wait_for(number)
    assert (results.events, results.unknown) == ([("started", None)], [])


@pytest.mark.parametrize(("state", "reason"), [(CameraState.ABSENT, "camera"), (CameraState.OFF, "running")])
def test_label_that_returns_after_an_outage_is_under_the_cooldown(pipeline, results, slot, now, state, reason):
    start(pipeline)
    slot.put(make_frame(1))
    results.wait_for(1)
    for number in range(2, 7):
        pipeline.note_camera(state)
        now.s += 11.0
        results.wait_for(unknown=reason)
        results.unknown.clear()
        pipeline.note_camera(CameraState.STREAMING)
        slot.put(replace(make_frame(number), monotonic_s=now.s))
        results.wait_for(number)
    assert results.events == [("started", None), ("ended", reason)]
    now.s += 300.0
    slot.put(replace(make_frame(9), monotonic_s=now.s))
    results.wait_for(9)
    assert results.events[2:] == [("started", None)]
