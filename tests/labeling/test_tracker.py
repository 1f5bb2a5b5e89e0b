"""The tracker: when a label starts, when it ends, and what its two events contain. The tests pass the time."""

import itertools

import numpy as np
import pytest

from appliance.labeling.tracker import EventProgress, Tracker
from appliance.settings.schema import EventSettings

WALL_S = 1_700_000_000.0


class Film:
    """A tracker for the labels a and b, fed with one frame each half second."""

    def __init__(self, thresholds=(0.6, 0.6), step_s=0.5, **settings):
        ids = (f"id{number}" for number in itertools.count(1))
        self.tracker = Tracker(("a", "b"), EventSettings(**settings), ids.__next__)
        self.thresholds = np.array(thresholds, np.float32)
        self.step_s, self.now_s, self.wall_s = step_s, 0.0, WALL_S

    def show(self, *frames):
        """Pass frames (a's score, or both) and return the events: [(seconds, type, label), …]."""
        return [(at, event.type, event.label) for at, event in self.events(*frames)]

    def events(self, *frames):
        events = []
        for frame in frames:
            scores = np.array(frame if isinstance(frame, tuple) else (frame, 0), np.float32)
            new = self.tracker.update(scores, self.thresholds, self.wall_s + self.now_s, self.now_s)
            events += [(self.now_s, event) for event in new]
            self.now_s += self.step_s
        return events


def test_label_starts_after_start_frames_in_a_row():
    assert Film(start_frames=3).show(0.7, 0.7, 0.7, 0.7) == [(1.0, "started", "a")]
    assert Film(start_frames=1).show(0.7) == [(0.0, "started", "a")]


def test_frame_below_the_threshold_resets_the_count():
    # 0.58 lies between threshold − hysteresis and threshold: it keeps a started label open, but does not start one.
    assert Film(start_frames=3, hysteresis=0.05).show(0.7, 0.7, 0.58, 0.7, 0.7) == []


def test_score_at_the_threshold_counts():
    assert Film(thresholds=(0.1, 0.1), start_frames=2).show(0.1, 0.1) == [(0.5, "started", "a")]


def test_label_ends_after_end_after_s_below_the_lower_threshold():
    film = Film(start_frames=1, end_after_s=2.0, hysteresis=0.05)
    assert film.show(0.7, 0.7, 0.5, 0.5, 0.5, 0.5) == [(0.0, "started", "a")]
    assert film.show(0.5) == [(3.0, "ended", "a")]


def test_started_label_stays_between_the_thresholds():
    film = Film(start_frames=1, end_after_s=1.0, hysteresis=0.05)
    assert film.show(0.7, *[0.56] * 20) == [(0.0, "started", "a")]


def test_label_that_returns_in_time_stays_open():
    film = Film(start_frames=1, end_after_s=1.0)
    assert film.show(0.7, 0.2, 0.2, 0.56, 0.2, 0.2, 0.7) == [(0.0, "started", "a")]
    assert film.show(0.2, 0.2, 0.2) == [(4.5, "ended", "a")]


def test_one_low_frame_after_a_long_gap_does_not_end_it():
    # The camera delivered no frames for a minute, so what happened in between is unknown.
    film = Film(start_frames=1, end_after_s=2.0)
    film.show(0.7)
    film.now_s += 60
    assert film.show(0.1, 0.7) == []


def test_time_without_frames_does_not_end_a_label():
    film = Film(start_frames=1, end_after_s=2.0)
    film.show(0.7, 0.7, 0.7, 0.1)
    film.now_s += 60  # a silent source that nobody announced
    assert film.show(0.1, 0.1, 0.1) == []
    assert film.show(0.1) == [(63.5, "ended", "a")]


def test_frozen_time_does_not_count():
    film = Film(start_frames=1, end_after_s=2.0)
    film.show(0.7, 0.7, 0.1)
    for _ in range(8):
        film.tracker.freeze()
        assert film.show(0.1) == []
    assert film.show(0.1, 0.1, 0.1) == []
    assert film.show(0.1) == [(7.0, "ended", "a")]


def test_slow_source_ends_a_label_with_its_second_low_frame():
    film = Film(start_frames=1, end_after_s=2.0, step_s=10.0)
    assert film.show(0.7, 0.1, 0.1) == [(0.0, "started", "a"), (20.0, "ended", "a")]


def test_source_that_becomes_slow_still_ends_a_label():
    film = Film(start_frames=1, end_after_s=2.0, step_s=0.2)
    film.show(*[0.7] * 20)
    film.step_s = 5.0
    assert [kind for _, kind, _ in film.show(*[0.1] * 10)] == ["ended"]


def test_end_after_s_of_0_ends_with_the_first_low_frame():
    assert Film(start_frames=1, end_after_s=0.0).show(0.7, 0.1) == [(0.0, "started", "a"), (0.5, "ended", "a")]


def test_cooldown_delays_the_next_start():
    film = Film(start_frames=1, end_after_s=0.0, cooldown_s=3.0)
    assert film.show(0.7, 0.1) == [(0.0, "started", "a"), (0.5, "ended", "a")]
    assert film.show(0.7, 0.7, 0.7, 0.7, 0.7) == []
    assert film.show(0.7) == [(3.5, "started", "a")]


def test_cooldown_concerns_one_label_only():
    film = Film(start_frames=1, end_after_s=0.0, cooldown_s=60.0)
    assert film.show((0.7, 0), (0, 0.7)) == [(0.0, "started", "a"), (0.5, "ended", "a"), (0.5, "started", "b")]


def test_start_and_end_share_the_id_and_have_the_peak():
    film = Film(start_frames=2, end_after_s=1.0)
    events = [event for _, event in film.events(0.7, 0.75, 0.9375, 0.65, 0.1, 0.1, 0.1)]
    started, ended = events
    assert started.id == ended.id == "id1"
    assert (started.score, started.peak_score, started.started) == (0.75, 0.75, WALL_S + 0.5)
    assert started.ended is None and started.reason is None
    assert ended.peak_score == 0.9375 and ended.score == pytest.approx(0.65)
    assert ended.started == WALL_S + 0.5 and ended.ended == WALL_S + 1.5
    assert ended.reason is None


def test_labels_are_tracked_independently():
    film = Film(start_frames=2, end_after_s=1.0)
    assert film.show((0.7, 0), (0.7, 0.7), (0.1, 0.7), (0.1, 0.1), (0.1, 0.1), (0.1, 0.1)) == [
        (0.5, "started", "a"),
        (1.0, "started", "b"),
        (2.0, "ended", "a"),
        (2.5, "ended", "b"),
    ]


def test_open_labels_have_their_progress():
    film = Film(start_frames=1)
    film.show((0, 0.7), (0.8125, 0.75))
    assert film.tracker.open_labels == ["b", "a"]
    assert film.tracker.open_events == {"id1": EventProgress(0.75, 0.5), "id2": EventProgress(0.8125, 0.0)}


def test_new_threshold_applies_from_the_next_frame():
    film = Film(start_frames=1, end_after_s=0.0, hysteresis=0.05)
    assert film.show(0.5) == []
    film.thresholds[:] = 0.5
    assert film.show(0.5) == [(0.5, "started", "a")]
    film.thresholds[:] = 0.9
    assert film.show(0.5) == [(1.0, "ended", "a")]


def test_end_all_gives_the_reason_and_no_cooldown():
    film = Film(start_frames=2, cooldown_s=60.0)
    film.show((0.7, 0.7), (0.7, 0.7))
    ended = film.tracker.end_all("swap")
    assert [(event.type, event.label, event.reason) for event in ended] == [
        ("ended", "a", "swap"),
        ("ended", "b", "swap"),
    ]
    assert ended[0].ended == WALL_S + 0.5
    assert film.tracker.open_labels == [] and film.tracker.end_all("stop") == []
    assert film.show(0.7) == []
    assert film.show(0.7) == [(1.5, "started", "a")]


def test_label_that_ended_without_frames_is_under_the_cooldown():
    film = Film(start_frames=1, cooldown_s=3.0)
    film.show((0.7, 0))
    film.tracker.end_all("camera", cooldown_from_s=0.5)
    assert film.show(*[(0.7, 0)] * 6) == []
    assert film.show((0.7, 0.7)) == [(3.5, "started", "a"), (3.5, "started", "b")]


def test_filtered_label_never_starts_and_ends():
    film = Film(thresholds=(0.0, 0.0), start_frames=1, end_after_s=0.0, hysteresis=1.0)
    assert film.show((0.0, -np.inf)) == [(0.0, "started", "a")]
    assert film.show((-np.inf, -np.inf)) == [(0.5, "ended", "a")]


def test_scores_that_are_no_numbers_start_nothing():
    assert Film(start_frames=1).show(np.nan, np.nan) == []


def test_clock_set_back_changes_no_duration():
    film = Film(start_frames=1, end_after_s=1.0)
    film.show(0.7)
    scores = np.zeros(2, np.float32)
    ended = [film.tracker.update(scores, film.thresholds, 5.0, at) for at in (0.5, 1.0, 1.5)]
    assert [len(events) for events in ended] == [0, 0, 1]


@pytest.mark.parametrize(("step_s", "is_step"), [(0.0, False), (0.01, False), (-7200.0, True), (7200.0, True)])
def test_duration_is_that_of_the_monotonic_clock(step_s, is_step):
    film = Film(start_frames=1, end_after_s=0.5)
    film.show(0.7, 0.7)
    started_s, film.wall_s = film.wall_s, film.wall_s + step_s
    [(_, ended)] = film.events(0.7, 0.7, 0.1, 0.1)
    assert ended.duration_s == 1.5
    assert ended.clock_step is is_step
    assert (ended.started, ended.ended) == (started_s, film.wall_s + 1.5)


def test_clock_step_outside_an_event_does_not_concern_it():
    film = Film(start_frames=1, end_after_s=0.5, cooldown_s=0.0)
    film.show(0.1)
    film.wall_s += 3600
    film.show(0.1, 0.7, 0.7, 0.1)
    film.wall_s -= 3600  # the label was not seen after that
    [(_, ended)] = film.events(0.1)
    assert (ended.duration_s, ended.clock_step) == (0.5, False)


def test_start_has_no_duration():
    [(_, started)] = Film(start_frames=1).events(0.7)
    assert (started.duration_s, started.clock_step) == (None, False)


def test_progress_contains_a_clock_step():
    film = Film(start_frames=1)
    film.show(0.7)
    film.wall_s -= 60
    film.show(0.7)
    assert film.tracker.open_events == {"id1": EventProgress(pytest.approx(0.7), 0.5, True)}
