"""The current label, and what the page is notified of."""

from types import SimpleNamespace

import numpy as np

from appliance.bundle.identity import ModelIdentity
from appliance.daemon.engine import Engine
from appliance.daemon.page.notifier import PageListener
from appliance.daemon.results import FrameResult
from appliance.imaging.frame import Frame
from appliance.labeling.labels import Label
from appliance.labeling.tracker import Event


def frame(time_s, label=None, events=()):
    labeler = SimpleNamespace(identity=ModelIdentity("flowers", "1.0", "ab" * 32))
    labels = [Label(label, 0.9, 0)] if label else []
    pixels = Frame(np.zeros((1, 1, 3), np.uint8), time_s, time_s, 1)
    return FrameResult(pixels, Engine(labeler, None, None), np.zeros(1), labels, events)


def make():
    passed = []
    listener = PageListener(lambda: True)
    listener.notify = lambda kind, data: passed.append((kind, data))
    return listener, passed


def test_current_label_keeps_its_beginning():
    listener, passed = make()
    for time_s, label in ((1.0, "a"), (2.0, "a"), (3.0, "b"), (4.0, "b")):
        listener.on_frame(frame(time_s, label))
    assert (listener.current, listener.since_s, listener.known) == (("b", 0.9), 3.0, True)
    listener.on_frame(frame(5.0))
    assert (listener.current, listener.since_s, listener.known) == (None, None, True)
    listener.on_labels_unknown("no camera")
    assert listener.known is False and [kind for kind, _ in passed] == ["frame"] * 6


def test_events_are_passed_on_as_records():
    listener, passed = make()
    started = Event("b-1", "started", "a", 0.9, 0.9, 1.0)
    ended = Event("b-1", "ended", "a", 0.1, 0.95, 1.0, 3.0, "stop", 2.0)
    listener.on_frame(frame(1.0, "a", (started,)))
    listener.on_events_ended([ended])
    (_, start), _, (_, end) = passed
    assert start["ended"] is None and start["picture"] is True and start["model"]["name"] == "flowers"
    assert (end["id"], end["duration_s"], end["reason"]) == ("b-1", 2.0, "stop")
