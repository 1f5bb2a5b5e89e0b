"""Each picture, and each source of the bank, is scored by a fit that has not seen it."""

import numpy as np
import pytest

from appliance.workshop.training import cross_validation, folds
from appliance.workshop.training.cross_validation import CrossValidation, measure_loss
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


def make_validation(count: int = 300) -> CrossValidation:
    random = np.random.default_rng(1)
    targets = np.arange(count) % 3
    x = np.eye(8)[targets] + random.normal(0, 0.5, (count, 8))
    task = HeadTask(("a", "b", "c"), None, x, targets, np.arange(count), np.zeros(count, bool))
    none = Projected(np.zeros((0, 8), np.float32), np.zeros(0))
    return CrossValidation(task, make_projected(x), none, np.arange(count) // 3 % 10, np.zeros(0, np.intp))


def test_fit_of_many_pictures_equals_the_fit_in_one_piece(monkeypatch):
    whole = make_validation().score(0.01)
    monkeypatch.setattr(cross_validation, "MANY_ROWS", 50)
    in_batches = make_validation().score(0.01)
    np.testing.assert_array_equal(in_batches.unseen, whole.unseen)
    np.testing.assert_allclose(in_batches.logits, whole.logits, atol=1e-4)


def test_of_many_pictures_enough_are_unseen(monkeypatch):
    monkeypatch.setattr(folds, "ENOUGH_UNSEEN", 100)
    assert len(make_validation().score(0.01).unseen) == 120


def test_loss_of_equal_logits_is_that_of_chance():
    assert measure_loss(np.zeros((5, 4)), np.zeros(5, int)) == pytest.approx(np.log(4))
