"""The road of frames: what holds between two frames, and for frames that were on their way."""

import threading
from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.camera.scene.camera import draw_scene
from appliance.daemon.active_model import BUNDLED
from appliance.daemon.meter import Meter
from appliance.daemon.pipeline import Pipeline
from appliance.imaging.frame import Frame
from appliance.imaging.frame_slot import FrameSlot
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import EventSettings, LabelerSettings


class Told:
    """Notes what the pipeline found."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str | None]] = []
        self.frames: list[int] = []
        self.engines = self.failures = 0
        self.changed = threading.Condition()

    def labeled(self, frame, engine, scores, labels, events) -> None:
        with self.changed:
            self.frames.append(frame.number)
            self.events += [(event.type, event.reason) for event in events]
            self.changed.notify_all()

    def ended(self, events) -> None:
        with self.changed:
            self.events += [(event.type, event.reason) for event in events]
            self.changed.notify_all()

    def engine_changed(self, engine) -> None:
        with self.changed:
            self.engines += 1
            self.changed.notify_all()

    def outcome(self, inference_ms: float, trouble: str | None) -> None:
        with self.changed:
            self.failures += trouble is not None
            self.changed.notify_all()

    def wait_for(self, frame: int | None = None, engines: int = 0, failures: int = 0) -> None:
        def is_so() -> bool:
            return (frame is None or frame in self.frames) and self.engines >= engines and self.failures >= failures

        with self.changed:
            assert self.changed.wait_for(is_so, 10)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def slot() -> FrameSlot:
    return FrameSlot()


@pytest.fixture
def pipeline(told: Told, slot: FrameSlot) -> Iterator[Pipeline]:
    """Not started yet; a single frame starts a label."""
    numbers = count(1)
    events = EventSettings(start_frames=1, end_after_s=2)
    pipeline = Pipeline(slot, LabelerSettings(), events, told, lambda: f"id-{next(numbers)}", Meter())
    pipeline.on_outcome = told.outcome
    pipeline.use(pipeline.prepare(Labeler(read_bundle(BUNDLED)), None))
    yield pipeline
    pipeline.stop()


def flower(number: int) -> Frame:
    return Frame(draw_scene("tulips", np.random.default_rng(1)), 1000.0 + number, float(number), number)


def started(pipeline: Pipeline) -> threading.Thread:
    thread = threading.Thread(target=pipeline.run, daemon=True)
    thread.start()
    return thread


def test_a_frame_that_lay_ready_when_the_events_were_ended_begins_no_new_one(pipeline, told, slot):
    # On a slow machine a frame always lies ready: it is older than the order to end, and labeled after it.
    slot.put(flower(1))
    pipeline.end_events("running")
    started(pipeline)
    pipeline.set_threshold(None)  # carried out after the events were ended
    told.wait_for(engines=2)
    slot.put(flower(2))
    told.wait_for(2)
    assert told.frames == [2]
    assert told.events == [("started", None)]


def test_what_is_open_ends_with_the_stop_and_nothing_is_labeled_after_it(pipeline, told, slot):
    thread = started(pipeline)
    slot.put(flower(1))
    told.wait_for(1)
    pipeline.stop()
    slot.put(flower(2))
    thread.join(10)
    assert not thread.is_alive()
    assert told.events == [("started", None), ("ended", "stop")]


def test_a_label_ends_although_the_model_fails_from_then_on(pipeline, told, slot):
    started(pipeline)
    slot.put(flower(1))
    told.wait_for(1)
    for number in (2, 3, 4):
        assert told.events == [("started", None)]
        slot.put(Frame(np.zeros((0, 0, 3), np.uint8), 1000.0 + number, float(number), number))  # nothing can label that
        told.wait_for(failures=number - 1)
    assert told.events == [("started", None), ("ended", None)]
    slot.put(flower(5))
    told.wait_for(5)
    assert pipeline.trouble is None
