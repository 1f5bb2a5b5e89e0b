"""The threshold that validation pictures choose."""

import numpy as np
import pytest

from appliance.workshop.evaluation.threshold import choose_validation_threshold


def test_lowest_threshold_with_95_percent_precision_is_chosen():
    # 40 right ones at 0.9, 10 wrong ones at 0.42: only above that are 95 % right.
    scores = np.vstack([np.tile([0.9, 0.05], (40, 1)), np.tile([0.42, 0.3], (10, 1))])
    choice = choose_validation_threshold(scores, np.array([0] * 40 + [1] * 10), None)
    assert choice.threshold == pytest.approx(0.43)
    assert (choice.precision, choice.recall) == (1.0, 0.8)


def test_label_of_a_background_picture_is_wrong():
    scores = np.vstack([np.tile([0.9, 0.05, 0.0], (40, 1)), np.tile([0.6, 0.1, 0.3], (40, 1))])
    targets = np.array([0] * 40 + [2] * 40)
    assert choose_validation_threshold(scores, targets, 2).threshold == pytest.approx(0.61)


def test_best_balance_is_chosen_if_no_threshold_is_precise():
    scores = np.vstack([np.tile([0.9, 0.1], (30, 1)), np.tile([0.9, 0.1], (5, 1)), np.tile([0.4, 0.2], (20, 1))])
    choice = choose_validation_threshold(scores, np.array([0] * 30 + [1] * 25), None)
    assert choice.threshold == pytest.approx(0.41)
    assert choice.precision == pytest.approx(30 / 35)


def test_few_pictures_give_the_default_threshold():
    assert choose_validation_threshold(np.tile([0.9, 0.1], (29, 1)), np.zeros(29, int), None).threshold == 0.5
