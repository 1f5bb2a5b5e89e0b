"""Fit the head of a fine-tuned base, which has fine-tuned features beside the published ones.

- The label is chosen by both: the mean of the logits of a head of the published features (see head.py) and of the
  classifier that was trained together with the fine-tuned features. They make different mistakes, so their mean makes
  fewer than either (figures in docs/performance.md).
- Other subjects are rejected by the published features alone. The fine-tuned ones are as sure of pictures of other
  things, because they were trained to see the labels in everything; and the published ones are those of the background
  bank, and have not seen the pictures, so their limits are chosen by cross-validation on all of them.

Calibration and threshold are chosen by the validation pictures alone, because the fine-tuned features have seen the
others.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from appliance.workshop.evaluation.threshold import ThresholdChoice
from appliance.workshop.training.base import LinearClassifier
from appliance.workshop.training.cross_validation import fit_factor
from appliance.workshop.training.feature_rows import split_rows
from appliance.workshop.training.head import ClassifierHead, HeadFit, compute_softmax, describe_genuine, fit_head
from appliance.workshop.training.head_task import HeadTask
from appliance.workshop.training.rejection import (
    ChosenRejection,
    GenuinePictures,
    RejectionCost,
    RejectLevel,
    choose_threshold,
    measure_passed,
)
from appliance.workshop.training.rows import ChosenColumns


@dataclass(frozen=True, slots=True)
class TunedHead:
    """A head whose input consists of published features, followed by fine-tuned ones.

    Attributes:
        published: The head of the published features.
        factor: The factor of its logits.
        tuned: The classifier of the fine-tuned features, whose logits are added.
        background: The index of the label of the user's background pictures; None if there are none.
    """

    published: ClassifierHead
    factor: float
    tuned: LinearClassifier
    background: int | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the scores."""
        return self.published.labels

    @property
    def strength(self) -> float:
        """The shrinkage of the head of the published features."""
        return self.published.strength

    @property
    def published_size(self) -> int:
        """The number of published features, which come first in the input."""
        return int(self.published.weights.shape[1])

    @property
    def other(self) -> int | None:
        """The class of `published` that is none of the labels; None if it has none."""
        has_own_class = len(self.published.weights) > len(self.labels)
        return len(self.labels) if has_own_class else self.background

    def score(self, x: np.ndarray) -> np.ndarray:
        """Map (pictures, size) inputs of the head to (pictures, labels), equal to the written model's within 1e-5."""
        first, second = np.split(x, [self.published_size], axis=1)
        logits = self.published.compute_logits(first)[:, : len(self.labels)] * self.factor
        scores: np.ndarray = compute_softmax(logits + self.tuned.compute_logits(second)) * self.accept(first)
        return scores

    def accept(self, published: np.ndarray) -> np.ndarray:
        """Map (pictures, published features) to (pictures, labels): from 0 (something else) to 1."""
        accepted: np.ndarray = np.ones((len(published), len(self.labels)))
        if self.published.gate is not None:
            accepted = self.published.gate.acceptance(published)
        if self.other is not None:
            classes = compute_softmax(self.published.compute_logits(published))
            accepted = accepted * (1 - classes[:, self.other, np.newaxis])
        return accepted


@dataclass(frozen=True, slots=True)
class TunedHeadFit:
    """A fitted head, and how the validation pictures are scored.

    Attributes:
        head: The head.
        unseen: (n,) the indexes of the validation pictures.
        rejection: Their scores, the threshold, and the cost of the rejection.
    """

    head: TunedHead
    unseen: np.ndarray
    rejection: ChosenRejection


def fit_tuned_head(
    task: HeadTask,
    classifier: LinearClassifier,
    seed: int,
    level: RejectLevel = RejectLevel.STANDARD,
    is_over: Callable[[], bool] = lambda: False,
) -> TunedHeadFit:
    """Fit a head to published features, which come first in the rows of the task, and to fine-tuned ones.

    Args:
        task: The pictures, some of them for validation. Its bank has the published features only.
        classifier: The classifier of the fine-tuned features.
        seed: The seed of the folds.
        level: How strictly other subjects are rejected.
        is_over: Called between fits; if it returns True, the best fit so far is used.
    """
    size = task.rows[0:1].shape[1] - classifier.size
    published = fit_head(replace(task, rows=ChosenColumns(task.rows, slice(0, size))), seed, level, is_over)
    unseen = np.flatnonzero(task.validates)
    x = np.concatenate([task.rows[part][task.validates[part]] for part in split_rows(len(task.rows))])
    head = _combine(published.head, classifier, x, task.targets[unseen], task.background)
    pictures = describe_genuine(task, unseen)
    acceptance = head.accept(x[:, :size])
    scores = head.score(x)
    choice = choose_threshold(scores, pictures)
    cost = _measure_cost(scores / np.maximum(acceptance, 1e-12), acceptance, choice, pictures, published)
    chosen = replace(published.rejection, scores=scores, choice=choice, cost=cost)
    return TunedHeadFit(head, unseen, chosen)


def _combine(
    published: ClassifierHead, classifier: LinearClassifier, x: np.ndarray, targets: np.ndarray, background: int | None
) -> TunedHead:
    """Return the head with the mean of the logits of both classifiers, calibrated by the validation pictures."""
    first, second = np.split(x, [published.weights.shape[1]], axis=1)
    logits = classifier.compute_logits(second)
    own_factor, _ = fit_factor(logits, targets)
    mean = (published.compute_logits(first)[:, : len(published.labels)] + logits * own_factor) / 2
    factor, _ = fit_factor(mean, targets)
    tuned = classifier.scale(factor / 2 * own_factor)
    return TunedHead(published, factor / 2, tuned, background)


def _measure_cost(
    plain: np.ndarray,
    acceptance: np.ndarray,
    choice: ThresholdChoice,
    pictures: GenuinePictures,
    published: HeadFit,
) -> RejectionCost:
    """Return what the rejection costs on the validation pictures, and what it lets through.

    The fine-tuned features of the bank's rows are not known, so the head of the published features scores them.
    """
    targets, has_label, passed = pictures.targets, pictures.has_label, None
    is_right = plain.argmax(axis=1) == targets
    is_lost = acceptance[np.arange(len(targets)), targets] < 0.5
    if published.others is not None:
        passed = measure_passed(published.rejection.apply(published.others), choice, pictures)
    return replace(
        published.rejection.cost,
        lost=float((is_right & is_lost)[has_label].mean()),
        recall_without=choose_threshold(plain, pictures).recall,
        recall=choice.recall,
        passed=passed,
        curve=(),
    )
