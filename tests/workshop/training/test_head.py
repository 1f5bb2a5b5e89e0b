"""The head: it chooses the label with calibrated scores, and rejects other subjects."""

import dataclasses

import numpy as np
import pytest

from appliance.workshop.training.head import HeadFit, fit_head
from appliance.workshop.training.head_task import BankRows, HeadTask
from appliance.workshop.training.rejection import RejectLevel

SIZE, LABELS = 60, 3


def clouds(
    seed: int, each: int, labels: int = LABELS, offset: int = 0, spread: float = 0.25
) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs of labels that differ in a few directions out of many; `offset` moves them elsewhere."""
    random = np.random.default_rng(seed)
    plane = np.random.default_rng(100 + offset).uniform(-1, 1, (6, SIZE))
    centers = np.random.default_rng(200 + offset).uniform(0, 1.5, (labels, 6))
    y = np.repeat(np.arange(labels), each)
    x = (centers[y] + random.normal(0, spread, (len(y), 6))) @ plane + random.normal(0, 0.05, (len(y), SIZE))
    order = random.permutation(len(y))
    return x[order], y[order]


def make_task(each: int = 60, bank: bool = True, spread: float = 0.25) -> HeadTask:
    x, y = clouds(1, each, spread=spread)
    rows = np.vstack([clouds(5, 20, offset=1)[0], clouds(6, 20, offset=2)[0]])
    return HeadTask(
        tuple("abc"), None, x, y, np.arange(len(y)), np.zeros(len(y), bool),
        BankRows(rows, np.repeat([0, 1], 60), np.repeat(np.arange(12), 10)) if bank else None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted() -> HeadFit:
    return fit_head(make_task(), 0)


def test_head_separates_the_labels(fitted):
    x, y = clouds(3, 50)
    assert (fitted.head.score(x).argmax(axis=1) == y).mean() > 0.9


@pytest.mark.parametrize("bank", [True, False])
def test_other_subjects_get_no_label(bank):
    fit = fit_head(make_task(bank=bank), 0)
    threshold = fit.rejection.choice.threshold
    assert (fit.head.score(clouds(4, 50, offset=1)[0]).max(axis=1) >= threshold).mean() < 0.02
    assert (fit.head.score(clouds(4, 50, offset=9)[0]).max(axis=1) >= threshold).mean() < 0.1
    assert (fit.head.score(clouds(3, 50)[0]).max(axis=1) >= threshold).mean() > 0.85


def test_without_rejection_other_subjects_get_labels():
    fit = fit_head(make_task(), 0, RejectLevel.NONE)
    assert fit.head.gate is None
    assert len(fit.head.weights) == LABELS
    np.testing.assert_allclose(fit.head.score(clouds(4, 50, offset=1)[0]).sum(axis=1), 1)


def test_same_pictures_and_seed_give_the_same_numbers(fitted):
    again = fit_head(make_task(), 0)
    np.testing.assert_array_equal(fitted.head.weights, again.head.weights)
    np.testing.assert_array_equal(fitted.head.intercepts, again.head.intercepts)
    assert fitted.rejection.choice.threshold == again.rejection.choice.threshold


def test_all_pictures_are_scored_by_cross_validation(fitted):
    np.testing.assert_array_equal(fitted.unseen, np.arange(180))
    assert fitted.rejection.scores.shape == (180, LABELS)


def test_scores_are_calibrated_on_new_pictures():
    fit = fit_head(make_task(each=150, spread=0.6), 0)
    x, y = clouds(7, 400, spread=0.6)
    scores = fit.head.score(x)
    best, is_right = scores.max(axis=1), scores.argmax(axis=1) == y
    assert 0.5 < is_right.mean() < 0.95
    bins = np.minimum((best * 10).astype(int), 9)
    gaps = [abs(best[bins == i].mean() - is_right[bins == i].mean()) * (bins == i).mean() for i in set(bins.tolist())]
    assert sum(gaps) < 0.06


def test_validation_pictures_are_not_fitted_but_scored():
    task = make_task()
    wrong = dataclasses.replace(task, validates=np.arange(180) >= 150, targets=task.targets.copy())
    wrong.targets[150:] = (wrong.targets[150:] + 1) % LABELS
    fit = fit_head(wrong, 0)
    np.testing.assert_array_equal(fit.unseen, np.arange(180))
    assert (fit.head.score(task.rows[0:180]).argmax(axis=1) == task.targets).mean() > 0.9


def test_pictures_of_one_recording_are_scored_by_other_recordings():
    task = make_task(each=40, bank=False)
    # All pictures of a label are one recording, so none of them can be recognized by another recording.
    one = dataclasses.replace(task, groups=np.where(task.targets == 0, 1000, task.groups))
    scores = fit_head(one, 0).rejection.scores[task.targets == 0]
    assert (scores[:, 0] < 0.5).all()


def test_background_pictures_are_a_label_that_takes_the_bank():
    x, y = clouds(1, 60)
    other, _ = clouds(5, 30, offset=1)
    task = make_task()
    rows, targets = np.vstack([x, other]), np.append(y, [3] * len(other))
    order = np.random.default_rng(0).permutation(len(targets))
    fit = fit_head(
        dataclasses.replace(
            task, labels=("a", "b", "c", "background"), background=3, rows=rows[order], targets=targets[order],
            groups=np.arange(len(targets)), validates=np.zeros(len(targets), bool),
        ),
        0,
    )  # fmt: skip
    assert len(fit.head.weights) == 4
    assert fit.head.score(clouds(8, 20, offset=1)[0])[:, :3].max() < 0.3
    assert (fit.head.score(clouds(3, 20)[0])[:, :3].max(axis=1) > 0.5).mean() > 0.9


def test_two_labels_have_a_score_each():
    x, y = clouds(1, 60, 2)
    fit = fit_head(HeadTask(("a", "b"), None, x, y, np.arange(120), np.zeros(120, bool)), 0)
    new, targets = clouds(3, 50, 2)
    scores = fit.head.score(new)
    assert scores.shape == (100, 2)
    assert (scores.argmax(axis=1) == targets).mean() > 0.9


def test_bank_like_the_users_pictures_is_left_out():
    task = make_task()
    mine, _ = clouds(9, 40)
    same = dataclasses.replace(task, bank=BankRows(mine, np.zeros(120, int), np.zeros(120, int)))
    assert fit_head(same, 0).bank_rows == 0
    assert fit_head(task, 0).bank_rows > 100


def test_few_pictures_per_label_aim_at_less():
    assert [fit_head(make_task(each), 0).rejection.choice.target for each in (30, 100)] == [0.9, 0.95]


def test_class_of_the_bank_costs_no_more_than_permitted():
    task = make_task(each=60)
    # Rows of the bank beside a label would take many of its pictures.
    near = clouds(11, 40)[0][:60] + np.random.default_rng(3).normal(0, 0.35, (60, SIZE))
    bank = BankRows(np.vstack([near, task.bank.x[60:]]), np.repeat([0, 1], 60), np.repeat(np.arange(12), 10))
    fit = fit_head(dataclasses.replace(task, bank=bank), 0, RejectLevel.LOW)
    assert fit.bank_rows == 120
    assert fit.rejection.cost.lost <= 0.0075
