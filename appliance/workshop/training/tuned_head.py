"""Fit the head of a fine-tuned base, which has fine-tuned features in addition to the published ones.

- The label is chosen by both: the mean of the logits of a head of the published features (see head.py) and of the
  classifier that was trained together with the fine-tuned features. They make different mistakes, so their mean makes
  fewer than either (figures in docs/performance.md).
- Other subjects are rejected by the published features alone: by the gate of that head, and by its class of the
  background bank, which has one even if the user gives background pictures. The fine-tuned features were trained to
  see the labels only, so their scores are high for any picture.

Everything about the published features is chosen as for any other head, by cross-validation on all pictures. The
fine-tuned features have seen the training pictures, so the calibration of the sum and the threshold are chosen by the
validation pictures alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from appliance.errors import TrainingError
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
from appliance.workshop.training.rows import ChosenColumns, Rows


@dataclass(frozen=True, slots=True)
class TunedHead:
    """A head whose input consists of published features, followed by fine-tuned ones.

    Attributes:
        published: The head of the published features.
        factor: The factor of its logits.
        tuned: The classifier of the fine-tuned features, whose logits are added.
    """

    published: ClassifierHead
    factor: float
    tuned: LinearClassifier

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the scores."""
        return self.published.labels

    @property
    def strength(self) -> float:
        """The shrinkage of the head of the published features."""
        return self.published.strength

    def score(self, x: np.ndarray) -> np.ndarray:
        """Map (pictures, size) inputs of the head to (pictures, labels), equal to the written model's within 1e-5."""
        first, second = np.split(x, [self.published.weights.shape[1]], axis=1)
        logits = self.published.compute_logits(first)[:, : len(self.labels)] * self.factor
        scores: np.ndarray = compute_softmax(logits + self.tuned.compute_logits(second)) * self.published.accept(first)
        return scores


@dataclass(frozen=True, slots=True)
class TunedHeadFit:
    """A fitted head, and how the validation pictures are scored.

    Attributes:
        head: The head.
        unseen: (n,) the indexes of the validation pictures.
        rejection: Their scores, the threshold, and the cost of the rejection.
        tuned_accuracy: The share of them that the classifier of the fine-tuned features labels right by itself.
    """

    head: TunedHead
    unseen: np.ndarray
    rejection: ChosenRejection
    tuned_accuracy: float


@dataclass(frozen=True, slots=True)
class _Measured:
    """What both parts of the head compute for the validation pictures.

    Attributes:
        published: (n, labels) the logits of the head of the published features.
        tuned: (n, labels) the logits of the classifier of the fine-tuned features.
        accepted: (n, labels) what the rejection multiplies the scores by.
    """

    published: np.ndarray
    tuned: np.ndarray
    accepted: np.ndarray


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

    Raises:
        TrainingError: No validation picture shows one of the labels.
    """
    unseen = np.flatnonzero(task.validates)
    targets = task.targets[unseen]
    if not (targets != (-1 if task.background is None else task.background)).any():
        raise TrainingError("fine-tuning needs validation pictures of the labels, and none could be used")
    size = task.rows[0:1].shape[1] - classifier.size
    rows = ChosenColumns(task.rows, slice(0, size))
    published = fit_head(replace(task, rows=rows, separates_bank=True), seed, level, is_over)
    with threadpool_limits(1):
        measured = _measure(published.head, classifier, task.rows, task.validates)
    own_factor, _ = fit_factor(measured.tuned, targets)
    mean = (measured.published + measured.tuned * own_factor) / 2
    factor, _ = fit_factor(mean, targets)
    plain = compute_softmax(mean * factor)
    pictures = describe_genuine(task, unseen)
    scores = plain * measured.accepted
    choice = choose_threshold(scores, pictures)
    cost = _measure_cost(plain, measured.accepted, choice, pictures, published)
    return TunedHeadFit(
        TunedHead(published.head, factor / 2, classifier.scale(factor / 2 * own_factor)),
        unseen,
        replace(published.rejection, scores=scores, choice=choice, cost=cost),
        float((measured.tuned.argmax(axis=1) == targets)[pictures.has_label].mean()),
    )


def _measure(head: ClassifierHead, classifier: LinearClassifier, rows: Rows, validates: np.ndarray) -> _Measured:
    parts = []
    for part in split_rows(len(validates)):
        first, second = np.split(rows[part][validates[part]], [head.weights.shape[1]], axis=1)
        logits = head.compute_logits(first)[:, : len(head.labels)]
        parts.append((logits, classifier.compute_logits(second), head.accept(first)))
    return _Measured(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _measure_cost(
    plain: np.ndarray,
    accepted: np.ndarray,
    choice: ThresholdChoice,
    pictures: GenuinePictures,
    published: HeadFit,
) -> RejectionCost:
    """Return what the rejection costs on the validation pictures, and an estimate of what it lets through.

    The fine-tuned features of the bank's rows are not known, so the head of the published features scores them.
    """
    rejection, passed = published.rejection, None
    if published.others is not None:
        passed = measure_passed(published.others.apply_gate(rejection.limits, rejection.softness), choice, pictures)
    is_lost = accepted[np.arange(len(plain)), pictures.targets] < 0.5
    return replace(
        rejection.cost,
        lost=pictures.measure_lost(plain, is_lost),
        recall_without=choose_threshold(plain, pictures).recall,
        recall=choice.recall,
        passed_without=None,
        passed=passed,
    )
