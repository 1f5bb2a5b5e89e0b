"""Test when T/state and T/camera are published."""

from appliance.labeling.labels import Label
from appliance.messaging.payloads import Availability
from appliance.messaging.state_topics import StateTopics
from appliance.messaging.topics import Topics
from support.messaging import FLOWERS, NOON, MemorySink

T = Topics("appliance", "pi-1")


class Run:
    """The topics with frames at given seconds."""

    def __init__(self):
        self.sink = MemorySink()
        self.state = StateTopics(self.sink, T)
        self.state.known = True

    def frame(self, at_s, *scores):
        labels = [Label(f"label {index}", score, index) for index, score in enumerate(scores)]
        self.state.retain_labels(FLOWERS, NOON + at_s, labels, 100.0 + at_s)

    @property
    def scores(self):
        return [payload["score"] for payload in self.sink.on(T.state)]


def test_score_is_published_again_at_most_every_5_s():
    run = Run()
    for tenth in range(121):
        run.frame(tenth / 10, 0.5 + tenth / 1000)
    assert run.scores == [0.5, 0.55, 0.6]
    assert {payload["time"] for payload in run.sink.on(T.state)} == {"2026-01-01T12:00:00.000Z"}


def test_equal_score_is_not_published_again():
    run = Run()
    for second in range(60):
        run.frame(second, 0.5)
    assert run.scores == [0.5]


def test_change_of_the_labels_does_not_wait():
    run = Run()
    run.frame(0, 0.5)
    run.frame(0.1, 0.5, 0.4)
    run.frame(0.2)
    assert run.scores == [0.5, 0.5, None]


def test_camera_is_published_when_it_changes():
    run = Run()
    for camera in (None, Availability.ONLINE, None, Availability.ONLINE, Availability.OFFLINE):
        run.state.retain_camera(camera)
    assert run.sink.on(T.camera) == ["offline", "online", "offline"]


def test_repetition_sends_the_same_payload():
    run = Run()
    run.state.repeat()
    run.frame(0, 0.5)
    run.state.repeat()
    assert run.scores == [0.5, 0.5]
