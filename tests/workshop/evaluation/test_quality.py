"""The figures of a model with their uncertainty, and the warnings that train and evaluate share."""

import numpy as np
import pytest

from appliance.workshop.evaluation.intervals import MeasuredShare
from appliance.workshop.evaluation.quality import (
    build_predictions,
    describe_share,
    measure_quality,
    warn_of_imbalance,
    warn_of_sole_recordings,
    warn_of_unbalanced_figures,
    warn_of_weak_labels,
)


def _measure(right_by_label, threshold=0.5, recordings=None):
    """Return the quality of a model with (right, wrong, silent) pictures of each label."""
    labels = tuple(right_by_label)
    rows, targets = [], []
    for index, (right, wrong, silent) in enumerate(right_by_label.values()):
        for count, place, score in ((right, index, 0.9), (wrong, index - 1, 0.8), (silent, index, 0.3)):
            row = np.full(len(labels), 0.01)
            row[place] = score
            rows += [row] * count
            targets += [index] * count
    predictions = build_predictions(labels, np.array(rows), np.array(targets), None)
    return measure_quality(predictions, threshold, np.full(len(labels), threshold, np.float32), recordings)


def test_share_is_stated_with_its_interval_and_sample():
    assert describe_share(MeasuredShare.measure(57, 60), "right") == "95 % right, between 86 and 98, on 60 pictures"
    assert (
        describe_share(MeasuredShare.measure(541, 584), "right")
        == "92.6 % right, between 90.2 and 94.5, on 584 pictures"
    )
    assert describe_share(MeasuredShare.measure(1, 1), "right") == "100 % right, between 21 and 100, on 1 picture"
    assert describe_share(MeasuredShare.measure(0, 0), "right") == "– right, on no pictures"
    assert "on 60 pictures of about 6 recordings" in describe_share(MeasuredShare.measure(57, 60, 0.1))


def test_figures_are_counted_by_label_and_together():
    quality = _measure({"a": (8, 1, 1), "b": (10, 0, 0), "c": (2, 3, 5)})
    assert (quality.accuracy.count, quality.accuracy.total) == (26, 30)
    assert (quality.point.precision_share.count, quality.point.precision_share.total) == (20, 24)
    assert (quality.point.recall_share.count, quality.point.recall_share.total) == (20, 30)
    assert [(each.label, each.recall.value) for each in quality.worst_labels] == [("c", 0.2), ("a", 0.8), ("b", 1.0)]
    assert [each.accuracy.value for each in quality.labels] == [0.9, 1.0, 0.7]


def test_background_label_is_no_answer():
    scores = np.array([[0.3, 0.2, 0.5], [0.1, 0.2, 0.7]])
    predictions = build_predictions(("a", "b", "background"), scores, np.array([0, 2]), 2)
    assert (predictions.labels, predictions.targets.tolist()) == (("a", "b"), [0, -1])
    assert predictions.best_labels.tolist() == [0, 1]
    quality = measure_quality(predictions, 0.5, np.full(2, 0.5, np.float32))
    assert (quality.accuracy.count, quality.accuracy.total) == (1, 1)


def test_interval_is_wider_with_recordings():
    one = _measure({"a": (20, 0, 0), "b": (20, 0, 0)})
    other = _measure({"a": (20, 0, 0), "b": (20, 0, 0)}, recordings=[str(index // 10) for index in range(40)])
    assert (one.accuracy.effective, other.accuracy.effective) == (40, 4)
    assert other.accuracy.low < one.accuracy.low
    assert (other.labels[0].recall.effective, other.point.recall_share.effective) == (2, 4)


def test_weak_label_and_silent_model_are_warned_of_with_a_remedy():
    first, second = warn_of_weak_labels(_measure({"a": (30, 0, 0), "shoe": (2, 1, 40)}))
    assert "shoe (5 %)" in first and "add pictures" in first and "--set-threshold" in first
    assert "only 44 % of the pictures" in second and "add pictures" in second
    assert list(warn_of_weak_labels(_measure({"a": (30, 0, 0), "b": (28, 1, 1)}))) == []


@pytest.mark.parametrize("warn", [warn_of_imbalance, warn_of_unbalanced_figures])
def test_imbalance_over_ten_is_warned_of(warn):
    assert list(warn({"shirt": 120, "pants": 100, "hat": 12})) == []
    (warning,) = warn({"shirt": 121, "pants": 100, "shoe": 12, "hat": 3})
    assert "hat (3), shoe (12) have less than a tenth of the pictures of shirt (121)" in warning
    assert "add pictures" in warning
    assert list(warn({})) == []


def test_perfectly_calibrated_scores_stay_within_chance():
    random = np.random.default_rng(3)
    best = random.uniform(0.5, 1, 300)
    targets = np.where(random.random(300) < best, 0, 1)
    scores = np.stack([best, 1 - best], axis=1)
    quality = measure_quality(build_predictions(("a", "b"), scores, targets, None), 0.5, np.full(2, 0.5, np.float32))
    assert quality.calibration.error < quality.chance_error < 0.12
    sure = measure_quality(
        build_predictions(("a", "b"), np.tile([0.99, 0.01], (300, 1)), targets, None), 0.5, np.full(2, 0.5, np.float32)
    )
    assert sure.calibration.error > 0.15 > sure.chance_error


def test_sole_recording_is_warned_of():
    assert list(warn_of_sole_recordings([])) == []
    (warning,) = warn_of_sole_recordings(["cup"])
    assert "all pictures of cup are of one recording" in warning and "record it again" in warning
