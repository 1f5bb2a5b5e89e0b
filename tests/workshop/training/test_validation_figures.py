"""The figures and the worst mistakes of a new model on pictures that its head was not fitted to."""

import numpy as np

from appliance.workshop.datasets.dataset import Example
from appliance.workshop.evaluation.threshold import choose_validation_threshold
from appliance.workshop.training.fitted_head import FittedHead
from appliance.workshop.training.training_set import TrainingSet
from appliance.workshop.training.validation_figures import list_quality_warnings, measure_validation


def _make_set(targets, labels=("cup", "pen"), background=None, names=None):
    names = names or [f"{index}.jpg" for index in range(len(targets))]
    pictures = tuple(Example(name, None, None, None, name) for name in names)
    validates = np.ones(len(targets), bool)
    return TrainingSet(labels, background, pictures, np.array(targets), validates, 0, {}, 0)


def _measure(training_set, scores, threshold_at=None):
    background = None if training_set.background is None else training_set.labels.index(training_set.background)
    choice = choose_validation_threshold(np.array(scores), training_set.targets, background)
    fitted = FittedHead(None, np.array(scores), 0.0, choice)
    return measure_validation(training_set, np.arange(len(scores)), fitted)


def test_wrong_labels_come_before_missed_ones():
    scores = [[0.9, 0.1]] * 20 + [[0.95, 0.05], [0.2, 0.25], [0.97, 0.01]]
    figures = _measure(_make_set([0] * 20 + [1, 1, 1]), scores)
    found = [(each.picture, each.label, each.guess, each.score) for each in figures.mistakes]
    assert found == [("22.jpg", "pen", "cup", 0.97), ("20.jpg", "pen", "cup", 0.95), ("21.jpg", "pen", None, 0.25)]
    assert (figures.quality.accuracy.count, figures.quality.accuracy.total) == (21, 23)


def test_label_of_a_background_picture_is_a_mistake_without_label():
    training_set = _make_set([0, 1, 2], ("cup", "pen", "background"), "background")
    figures = _measure(training_set, [[0.9, 0, 0.1], [0, 0.9, 0.1], [0.8, 0, 0.2]])
    assert [(each.label, each.guess) for each in figures.mistakes] in ([(None, "cup")], [])
    assert figures.quality.accuracy.total == 2


def test_pictures_of_one_recording_count_as_one():
    names = [f"20261130-101500-{index:03d}_rec-0000000{index // 10}.jpg" for index in range(40)]
    figures = _measure(_make_set([0] * 20 + [1] * 20, names=names), [[0.9, 0.1]] * 20 + [[0.1, 0.9]] * 20)
    assert (figures.quality.accuracy.total, figures.quality.accuracy.effective) == (40, 4)


def test_warnings_name_rare_and_weak_labels():
    training_set = _make_set([0] * 130 + [1] * 12)
    scores = [[0.9, 0.1]] * 130 + [[0.8, 0.2]] * 11 + [[0.1, 0.9]]
    warnings = list_quality_warnings(training_set, _measure(training_set, scores))
    assert any("pen (12) has less than a tenth of the pictures of cup (130)" in each for each in warnings)
    assert any("less than half of the pictures of pen (8 %)" in each for each in warnings)
