"""Test what the listeners pass on to the reports, the collector and the updater."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.bundle.identity import ModelIdentity
from appliance.daemon.engine import Engine
from appliance.daemon.listeners import (
    CollectorListener,
    EventLogListener,
    HistoryListener,
    ProbationListener,
    ReportsListener,
)
from appliance.daemon.live_settings import LiveSettings
from appliance.daemon.results import FrameResult
from appliance.imaging.files import read_picture
from appliance.imaging.frame import Frame
from appliance.imaging.view import View
from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.tracker import Event, EventProgress
from appliance.settings.schema import CameraSettings, LabelerSettings, Settings
from support.paths import FLOWERS

BUNDLE = read_bundle(FLOWERS)
LABELS = BUNDLE.labels
IDENTITY = ModelIdentity("flowers", "1.0", "ab" * 32)


class Recorder:
    """Records every call of any method: (name, arguments)."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, arguments))


def make_result(deny=()):
    labeler = SimpleNamespace(labels=LABELS, identity=IDENTITY, inference_ms=4.0, view=View(rotation=90))
    tracker = SimpleNamespace(open_events={"id-1": EventProgress(0.9)})
    engine = Engine(labeler, LabelFilter(BUNDLE, LabelerSettings(deny=deny)), tracker)
    scores = np.linspace(0.1, 0.9, len(LABELS)).astype(np.float32)
    frame = Frame(np.zeros((4, 8, 3), np.uint8), 1000.0, 1.0, 7)
    return FrameResult(frame, engine, scores, (), ())


def test_reports_get_a_snapshot_that_is_turned_upright():
    reports = Recorder()
    live = LiveSettings(Settings(camera=CameraSettings(rotation=90)))
    ReportsListener(reports, live).on_frame(make_result())
    [(name, arguments)] = reports.calls
    assert name == "report_frame"
    assert arguments[0].number == 7
    assert read_picture(io.BytesIO(arguments[-1]())).shape == (8, 4, 3)


def test_reports_get_model_and_threshold_of_a_new_engine():
    reports = Recorder()
    engine = make_result().engine
    ReportsListener(reports, LiveSettings(Settings())).on_engine_changed(engine)
    assert [name for name, _ in reports.calls] == ["use_model", "report_threshold"]
    assert reports.calls[0][1][0] == IDENTITY
    assert reports.calls[1][1] == (engine.filter.threshold,)


def test_collector_gets_scores_without_denied_labels():
    collector = Recorder()
    CollectorListener(collector).on_frame(make_result(deny=(LABELS[-1],)))
    [(_, (frame, labels, scores, events, identity, view, threshold))] = collector.calls
    assert view == View(rotation=90) and 0 < threshold < 1
    assert (frame.number, tuple(labels), tuple(events), identity) == (7, tuple(LABELS), (), IDENTITY)
    assert np.argmax(scores) != len(LABELS) - 1


def test_probation_gets_times_and_errors():
    updater = Recorder()
    listener = ProbationListener(updater, SimpleNamespace(is_overridden=False))
    listener.on_frame(make_result())
    listener.on_frame_failed("broken")
    assert updater.calls == [("record_frame", (4.0, None)), ("record_frame", (0.0, "broken"))]


def test_probation_ignores_frames_of_a_configured_model():
    updater = Recorder()
    listener = ProbationListener(updater, SimpleNamespace(is_overridden=True))
    listener.on_frame(make_result())
    listener.on_frame_failed("broken")
    assert updater.calls == []


def test_events_are_logged_when_they_start_and_end(caplog):
    caplog.set_level("INFO", "appliance")
    listener = EventLogListener()
    started = Event("1", "started", "roses", 0.93, 0.93, 10.0)
    ended = Event("1", "ended", "roses", 0.2, 0.97, 10.0, 22.0, reason="camera", duration_s=12.04)
    listener.on_frame(SimpleNamespace(events=[started]))
    listener.on_events_ended([ended])
    assert [record.getMessage() for record in caplog.records] == [
        "roses started (0.93)",
        "roses ended after 12.0 s (highest score 0.97; reason: camera)",
    ]


def make_event(kind):
    return Event("b-1", kind, LABELS[0], 0.9, 0.95, 1000.0, None if kind == "started" else 1002.0, None, 2.0)


def test_history_gets_the_upright_picture_and_the_best_scores():
    recorder = Recorder()
    listener = HistoryListener(recorder, LiveSettings(Settings(camera=CameraSettings(rotation=90))))
    listener.on_frame(replace(make_result(), events=(make_event("ended"), make_event("started"))))
    (ended, [event]), (started, [record]) = recorder.calls
    assert (ended, started, event.type) == ("record_ended", "record_started", "ended")
    assert record.picture().shape == (8, 4, 3)
    assert record.scores[0] == ("tulips", pytest.approx(0.74)) and len(record.scores) <= 5
    listener.on_events_ended([make_event("ended")])
    assert [name for name, _ in recorder.calls] == ["record_ended", "record_started", "record_ended"]
