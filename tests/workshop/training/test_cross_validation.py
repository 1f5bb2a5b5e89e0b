"""Each picture, and each source of the bank, is scored by a fit that has not seen it."""

import numpy as np
import pytest

from appliance.workshop.training.cross_validation import CrossValidation, fit_factor, measure_loss
from appliance.workshop.training.discriminant import fit_discriminant, measure_moments
from appliance.workshop.training.head_task import HeadTask
from appliance.workshop.training.projection import Projected


def make_projected(x: np.ndarray) -> Projected:
    return Projected(x.astype(np.float32), np.zeros(len(x)))


def test_unseen_source_of_the_bank_gets_a_label():
    random = np.random.default_rng(0)
    targets = np.arange(60) % 2
    x = np.eye(8)[targets] * 4 + random.normal(0, 0.2, (60, 8))
    # Rows of the first source lie near a label, and those of the second source say nothing about them.
    rows = np.vstack([np.eye(8)[0] * 4 + np.eye(8)[2] + random.normal(0, 0.2, (20, 8)), np.eye(8)[[5] * 20] * 4])
    task = HeadTask(("a", "b"), None, x, targets, np.arange(60), np.zeros(60, bool))
    validation = CrossValidation(
        task, make_projected(x), make_projected(rows), np.arange(60) // 2 % 10, np.repeat([0, 1], 20)
    )
    scored = validation.score(0.1)
    np.testing.assert_array_equal(scored.unseen, np.arange(60))
    assert (scored.logits[:, :2].argmax(axis=1) == targets).all()
    assert (scored.other_logits[:20].argmax(axis=1) == 0).all()
    weights, intercepts = validation.fit_all(0.1)
    assert ((rows[:20] @ weights.T + intercepts).argmax(axis=1) == 2).mean() > 0.9


def test_sources_are_scored_though_whole_folds_are_for_validation():
    targets, random = np.arange(60) % 2, np.random.default_rng(0)
    x, rows = random.normal(0, 1, (60, 8)), random.normal(9, 1, (30, 8))
    folds = np.arange(60) // 2 % 10
    task = HeadTask(("a", "b"), None, x, targets, np.arange(60), folds < 2)
    validation = CrossValidation(
        task, make_projected(x), make_projected(rows), np.where(folds < 2, -1, folds), np.repeat([0, 1, 2], 10)
    )
    np.testing.assert_array_equal(validation.score(0.1).rows, np.arange(30))


def test_logits_are_those_of_a_fit_without_the_fold():
    random = np.random.default_rng(1)
    targets = np.arange(300) % 3
    x = np.eye(8)[targets] + random.normal(0, 0.5, (300, 8))
    none, folds = Projected(np.zeros((0, 8), np.float32), np.zeros(0)), np.arange(300) // 3 % 10
    task = HeadTask(("a", "b", "c"), None, x, targets, np.arange(300), np.zeros(300, bool))
    logits = CrossValidation(task, make_projected(x), none, folds, np.zeros(0, np.intp)).score(0.1).logits
    for fold in range(10):
        others = x[folds != fold].astype(np.float32)
        weights, intercepts = fit_discriminant(measure_moments(others, targets[folds != fold], 3), 0.1)
        np.testing.assert_allclose(logits[folds == fold], x[folds == fold] @ weights.T + intercepts, atol=1e-3)


def test_factor_calibrates_logits_that_are_too_large():
    random = np.random.default_rng(2)
    logits = random.normal(0, 2, (4000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = (random.random((4000, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    factor, loss = fit_factor(logits * 5, targets)
    assert factor == pytest.approx(0.2, rel=0.1)
    assert loss < measure_loss(logits * 5, targets)


def test_labels_that_are_always_right_do_not_get_scores_of_one():
    targets = np.arange(40) % 2
    logits = np.where(np.arange(2) == targets[:, np.newaxis], 500.0, 0.0)
    factor, _ = fit_factor(logits, targets)
    best = 1 / (1 + np.exp(-500 * factor))
    assert 0.99 < best < 0.9995


def test_loss_of_equal_logits_is_that_of_chance():
    assert measure_loss(np.zeros((5, 4)), np.zeros(5, int)) == pytest.approx(np.log(4))
