"""Still scenes: noise changes pixels, not the picture; a certain label starts once, a doubtful one often."""

from itertools import cycle
from types import SimpleNamespace

import numpy as np

from appliance.bundle.bundle import read_bundle
from appliance.system.shipped import find_shipped
from appliance.workshop.models.general.still_scenes import add_noise, count_events

SCENE = np.full((40, 60, 3), 120, np.uint8)


class FixedLabeler:
    """Gives the scores of `daisy` in turn."""

    def __init__(self, *scores):
        self.bundle = read_bundle(find_shipped("flowers"))
        self.labels = self.bundle.labels
        self._scores = cycle(scores)

    def score(self, _):
        return np.array([next(self._scores), 0, 0, 0, 0, 0], np.float32)


def test_noise_keeps_the_picture():
    noisy = add_noise(SCENE, np.random.default_rng(0))
    assert noisy.dtype == np.uint8 and noisy.shape == SCENE.shape
    assert abs(noisy.mean() - 120) < 6 and 4 < noisy.std() < 8


def test_certain_label_starts_once():
    assert count_events(FixedLabeler(0.9), [SCENE]) == [1]


def test_empty_scene_gives_no_event():
    assert count_events(FixedLabeler(0.1), [SCENE, SCENE]) == [0, 0]


def test_doubtful_label_is_counted_each_time():
    scores = SimpleNamespace(values=[0.0] * 14 + [0.9])
    assert count_events(FixedLabeler(*scores.values), [SCENE])[0] > 2
