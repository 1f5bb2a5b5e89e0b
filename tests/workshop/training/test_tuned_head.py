"""The head of a fine-tuned base: both kinds of features choose the label, the published ones reject other subjects."""

import dataclasses

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import TrainingError
from appliance.labeling.labeler import Labeler
from appliance.workshop.training.base import LinearClassifier, open_base
from appliance.workshop.training.head import compute_softmax, describe_genuine
from appliance.workshop.training.head_task import BankRows, HeadTask
from appliance.workshop.training.rejection import RejectLevel, choose_threshold
from appliance.workshop.training.tflite_head import write_model
from appliance.workshop.training.tuned_head import TunedHead, TunedHeadFit, fit_tuned_head
from support.heads import LABELS, features_of, full_input, random_head
from support.staged_base import SIDE_PX, write_staged_base
from support.tuned_bases import tune

SIZE, TUNED, NAMES = 40, 3, 3
CLASSIFIER = LinearClassifier(5 * np.eye(NAMES, TUNED), np.zeros(NAMES))


def draw(seed: int, each: int, place: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs of a head: published features about a place, and tuned ones that are as sure at any place."""
    random, y = np.random.default_rng(seed), np.repeat(np.arange(NAMES), each)
    directions = np.random.default_rng(7).normal(0, 0.5, (NAMES, SIZE))
    away = (place > 0) * np.random.default_rng(50 + place).normal(0, 2, SIZE)
    published = directions[y] + away + random.normal(0, 0.9, (len(y), SIZE))
    tuned = np.eye(NAMES, TUNED)[y] + random.normal(0, 0.3, (len(y), TUNED))
    order = random.permutation(len(y))
    return np.hstack([published, tuned])[order], y[order]


def make_task(background: bool = False) -> HeadTask:
    x, y = draw(1, 120)
    bank = np.vstack([draw(2, 20, 1)[0], draw(3, 20, 2)[0]])[:, :SIZE]
    labels = tuple("abc")
    if background:
        labels = (*labels, "none")
        x, y = np.vstack([x, draw(4, 40, 1)[0]]), np.append(y, np.full(120, NAMES))
    return HeadTask(
        labels, NAMES if background else None, x, y, np.arange(len(y)), np.arange(len(y)) % 3 == 0,
        BankRows(bank, np.repeat([0, 1], 60), np.repeat(np.arange(12), 10)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted() -> TunedHeadFit:
    return fit_tuned_head(make_task(), CLASSIFIER, 0)


def rate(scores: np.ndarray, y: np.ndarray) -> float:
    return float((scores.argmax(axis=1) == y).mean())


def test_both_features_are_right_more_often_than_either(fitted):
    x, y = draw(5, 400)
    published, tuned = fitted.head.published.score(x[:, :SIZE]), CLASSIFIER.compute_logits(x[:, SIZE:])
    assert rate(fitted.head.score(x), y) > max(rate(published, y), rate(tuned, y)) + 0.01


def test_other_subjects_get_no_label_though_tuned_features_are_sure(fitted):
    threshold = fitted.rejection.choice.threshold
    x, y = draw(6, 100, 1)
    assert rate(CLASSIFIER.compute_logits(x[:, SIZE:]), y) > 0.8
    assert (fitted.head.score(x).max(axis=1) >= threshold).mean() < 0.02
    own, y = draw(8, 100)
    assert (fitted.head.score(own)[np.arange(len(y)), y] >= threshold).mean() > 0.85


def test_figures_are_those_of_the_validation_pictures(fitted):
    task = make_task()
    assert fitted.unseen.tolist() == np.flatnonzero(task.validates).tolist()
    np.testing.assert_allclose(fitted.rejection.scores, fitted.head.score(task.rows[task.validates]))
    tuned = CLASSIFIER.compute_logits(task.rows[task.validates][:, SIZE:])
    assert fitted.tuned_accuracy == rate(tuned, task.targets[task.validates])
    cost = fitted.rejection.cost
    assert cost.others > 100 and cost.passed < 0.05 and cost.passed_without is None and len(cost.curve) > 5


def test_rejected_pictures_are_the_cost_of_the_rejection():
    task = make_task()
    away = np.flatnonzero(task.validates)[:12]
    x = task.rows.copy()
    x[away, :SIZE] += np.random.default_rng(0).normal(0, 12, (12, SIZE))
    fit = fit_tuned_head(dataclasses.replace(task, rows=x), CLASSIFIER, 0)
    logits = fit.head.published.compute_logits(x[:, :SIZE])[:, :NAMES] * fit.head.factor
    plain = compute_softmax(logits + fit.head.tuned.compute_logits(x[:, SIZE:]))[fit.unseen]
    targets = task.targets[fit.unseen]
    accepted = fit.head.published.accept(x[fit.unseen, :SIZE])[np.arange(len(targets)), targets]
    cost = fit.rejection.cost
    assert (accepted[np.isin(fit.unseen, away)] < 1e-9).sum() >= 6
    assert cost.lost == ((plain.argmax(axis=1) == targets) & (accepted < 0.5)).mean() > 0.03
    assert cost.recall_without == choose_threshold(plain, describe_genuine(task, fit.unseen)).recall
    assert "more than the 3.0 % that --reject standard aims at" in cost.warning


def test_without_rejection_both_features_still_choose():
    fit = fit_tuned_head(make_task(), CLASSIFIER, 0, RejectLevel.NONE)
    x, y = draw(5, 400)
    np.testing.assert_allclose(fit.head.score(x).sum(axis=1), 1)
    assert rate(fit.head.score(x), y) > rate(CLASSIFIER.compute_logits(x[:, SIZE:]), y) + 0.01


@pytest.mark.parametrize("level", [RejectLevel.STANDARD, RejectLevel.NONE])
def test_background_pictures_of_the_user_lower_no_other_score(level):
    classifier = LinearClassifier(5 * np.eye(NAMES + 1, TUNED), np.array([0.0, 0, 0, -9]))
    fit = fit_tuned_head(make_task(background=True), classifier, 0, level)
    own, y = draw(8, 100)
    scores = fit.head.score(own)
    sums = scores.sum(axis=1)
    # The label of the background takes its share once, and nothing else is a factor for pictures of the labels.
    assert np.median(sums) > 0.98 and (level == RejectLevel.STANDARD or sums.min() > 0.999)
    assert (scores[np.arange(len(y)), y] >= fit.rejection.choice.threshold).mean() > 0.85


def test_bank_has_its_own_class_besides_the_background_of_the_user():
    classifier = LinearClassifier(5 * np.eye(NAMES + 1, TUNED), np.array([0.0, 0, 0, -9]))
    fit = fit_tuned_head(make_task(background=True), classifier, 0)
    assert len(fit.head.published.weights) == NAMES + 2
    scores = fit.head.score(draw(9, 60, 2)[0])[:, :NAMES]
    assert (scores.max(axis=1) >= fit.rejection.choice.threshold).mean() < 0.02


def test_validation_without_the_labels_is_refused():
    task = make_task()
    with pytest.raises(TrainingError, match="validation pictures"):
        fit_tuned_head(dataclasses.replace(task, validates=np.zeros(len(task.targets), bool)), CLASSIFIER, 0)


@pytest.mark.parametrize("has_bank", [True, False])
@pytest.mark.parametrize("gate", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_written_model_gives_the_heads_scores(tmp_path, dtype, gate, has_bank):
    random = np.random.default_rng(0)
    published = open_base(write_staged_base(tmp_path / "base.tflite", dtype))
    size = published.groups[-1].size
    base = tune(published, random.normal(size=(4, size)))
    head_input = full_input(published).append_plain(base.groups[-1])
    pictures = list(random.integers(0, 256, (5, SIDE_PX, SIDE_PX, 3), np.uint8))
    x = head_input.convert(features_of(base, pictures))
    published = random_head(x[:, :-size], gate)
    if not has_bank:
        kept = slice(0, len(LABELS))
        published = dataclasses.replace(
            published, weights=published.weights[kept], intercepts=published.intercepts[kept]
        )
    head = TunedHead(published, 0.7, base.classifier)
    (tmp_path / "new.tflite").write_bytes(write_model(base, head_input, head, "new"))

    labeler = Labeler(read_bundle(tmp_path / "new.tflite"))

    assert labeler.labels == LABELS
    given = np.stack([labeler.score(picture) for picture in pictures])
    np.testing.assert_allclose(given, head.score(x), atol=1e-5)
    assert given.max() > 0.01 and (given.sum(axis=1) < 0.99).any() == (gate or has_bank)


def test_model_with_tuned_features_is_the_published_base_again(tmp_path):
    published = open_base(write_staged_base(tmp_path / "base.tflite"))
    base = tune(published, np.ones((4, published.groups[-1].size)))
    head_input = full_input(published).append_plain(base.groups[-1])
    head = TunedHead(random_head(np.ones((2, published.size))), 0.5, base.classifier)
    (tmp_path / "new.tflite").write_bytes(write_model(base, head_input, head, "new"))
    again = open_base(tmp_path / "new.tflite")
    assert [group.layer for group in again.groups] == [group.layer for group in published.groups]
    assert len(again.trunk) < len(base.trunk)
