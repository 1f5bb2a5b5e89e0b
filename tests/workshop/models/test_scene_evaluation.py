"""Events of a scene camera are compared with what it showed."""

from itertools import islice

import numpy as np

from appliance.camera.scene.camera import generate_appearances
from appliance.workshop.models.scene_evaluation import DURATION_S, EventCounts, compare_events, make_plain_frames


def shown(seed: int) -> list[tuple[str, float]]:
    """Label and middle time of each flower that a camera shows completely."""
    return [
        (entry.label, (entry.begins_s + entry.ends_s) / 2)
        for entry in islice(generate_appearances(seed), 100)
        if entry.label and entry.leaves_s <= DURATION_S
    ]


def test_an_event_per_flower_is_right():
    events = shown(101)
    assert compare_events(events, 101) == EventCounts(len(events), 0, 0)


def test_missing_wrong_and_repeated_events_are_counted():
    events = shown(102)
    label, at_s = events[1]
    other = "daisy" if label != "daisy" else "roses"
    changed = [events[0], events[0], (other, at_s), *events[2:]]
    assert compare_events(changed, 102) == EventCounts(len(events) - 1, 1, 2)


def test_event_after_the_last_complete_flower_does_not_count():
    events = shown(103)
    assert compare_events([*events, ("daisy", DURATION_S + 10.0)], 103) == EventCounts(len(events), 0, 0)


def test_counts_are_added():
    assert EventCounts(1, 2, 3) + EventCounts(10, 20, 30) == EventCounts(11, 22, 33)


def test_plain_frames_are_nine_pictures_of_one_size():
    frames = make_plain_frames()
    assert len(frames) == 9
    assert len({frame.shape for frame in frames}) == 1
    assert all(frame.dtype == np.uint8 for frame in frames)
    assert len(np.unique(frames[7].reshape(-1, 3), axis=0)) == 8
