"""The interval of the area under the precision-recall curve."""

import numpy as np

from appliance.workshop.evaluation.metrics import Predictions, compute_area
from appliance.workshop.evaluation.resampling import compute_area_interval


def _predict(count, seed=0):
    random = np.random.default_rng(seed)
    targets = random.integers(0, 3, count)
    scores = random.random((count, 3)).astype(np.float32) * 0.6
    scores[np.arange(count), targets] += 0.3
    return Predictions(("a", "b", "c"), scores, targets, scores.argmax(axis=1), scores.max(axis=1))


def test_interval_contains_the_area_and_narrows_with_pictures():
    widths = []
    for count in (50, 800):
        predictions = _predict(count)
        low, high = compute_area_interval(predictions, [str(index) for index in range(count)])
        assert low < compute_area(predictions) < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_interval_is_that_of_whole_recordings():
    predictions = _predict(200)
    low, high = compute_area_interval(predictions, [str(index // 20) for index in range(200)])
    assert 0 < low < high <= 1


def test_few_or_perfect_pictures_give_no_interval():
    assert compute_area_interval(_predict(5), list("abcde")) is None
    assert compute_area_interval(_predict(60), ["one recording"] * 60) is None
    scores = np.tile(np.array([0.9, 0.1], np.float32), (20, 1))
    perfect = Predictions(("a", "b"), scores, np.zeros(20, int), np.zeros(20, int), scores[:, 0])
    assert compute_area_interval(perfect, [str(index) for index in range(20)]) is None
