"""Fit the head of a model: a calibrated linear classifier of features, and a gate that rejects other subjects.

Let x be the features of a picture, standardized (see head_input.py).

- The softmax chooses the label: a linear discriminant analysis (see discriminant.py). Rows of the background bank, if
  the base has one, are a class of their own, which is no output of the model; background pictures of the user are a
  label, and the rows of the bank are counted to it. All rows of the bank together weigh no more than the user's
  pictures.
- Scores are calibrated: the logits are multiplied by the factor with the best log loss, which becomes part of the
  weights, so that a score of 0.8 is right in about 80 % of cases. The regularization strength is the one with the best
  log loss after that.
- The class of the bank may take no more of the user's pictures than the level of rejection permits: its logit is
  reduced until that holds.
- The gate rejects what is unlike all training pictures; see gate.py and rejection.py.

Strength, factor, limits, and threshold are chosen by pictures that the fit has not seen: validation pictures, if the
dataset has some, and all others by cross-validation. The final fit uses all pictures but those for validation. Because
everything is fitted to some hundred principal coordinates of x (see projection.py), and to sums over the pictures, the
fits take a second.

Everything runs on one thread, with fixed signs of eigenvectors and rounded results, so that the same pictures and seed
give the same numbers on the same machine.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from appliance.workshop.evaluation.threshold import aim_precision
from appliance.workshop.training.background_bank import find_unlike, sample_labels
from appliance.workshop.training.cross_validation import CrossValidation
from appliance.workshop.training.folds import assign_folds
from appliance.workshop.training.gate import RejectionGate
from appliance.workshop.training.head_task import BankRows, HeadTask
from appliance.workshop.training.projection import (
    SAMPLE_ROWS,
    PrincipalAxes,
    Projected,
    fit_projection,
)
from appliance.workshop.training.rejection import (
    ChosenRejection,
    GenuinePictures,
    RejectLevel,
    UnseenScores,
    choose_rejection,
    measure_excess,
)

STRENGTHS = (0.1, 0.3, 1.0, 3.0)
_DECIMALS = 5
# Of more pictures, a sample shows which rows of the bank resemble them.
_MANY_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class ClassifierHead:
    """A fitted head.

    Attributes:
        labels: In the order of the scores.
        weights: (classes, size); one class more than labels if the bank has a class of its own.
        intercepts: (classes,).
        gate: None for a head without a gate.
        strength: The shrinkage with the best result on unseen pictures.
    """

    labels: tuple[str, ...]
    weights: np.ndarray
    intercepts: np.ndarray
    gate: RejectionGate | None
    strength: float

    def compute_logits(self, x: np.ndarray) -> np.ndarray:
        """Map (pictures, size) inputs of the head to (pictures, classes)."""
        logits: np.ndarray = x @ self.weights.T + self.intercepts
        return logits

    def accept(self, x: np.ndarray) -> np.ndarray:
        """Map the same to (pictures, labels): from 0 (something else) to 1, by the bank's class and by the gate."""
        classes = compute_softmax(self.compute_logits(x))
        accepted: np.ndarray = np.repeat(
            1 - classes[:, len(self.labels) :].sum(axis=1, keepdims=True), len(self.labels), 1
        )
        return accepted if self.gate is None else accepted * self.gate.acceptance(x)

    def score(self, x: np.ndarray) -> np.ndarray:
        """Map (pictures, size) inputs of the head to (pictures, labels), equal to the written model's within 1e-5."""
        scores = compute_softmax(self.compute_logits(x))[:, : len(self.labels)]
        return scores if self.gate is None else scores * self.gate.acceptance(x)


@dataclass(frozen=True, slots=True)
class HeadFit:
    """A fitted head, and how the pictures that the fit has not seen are scored.

    Attributes:
        head: The head.
        unseen: (n,) the indexes of these pictures.
        rejection: Their scores, the threshold, and the cost of the rejection.
        bank_rows: The number of rows of the bank that were used.
        others: The scores of those rows of the bank whose source a fit has not seen; None if there are none.
    """

    head: ClassifierHead
    unseen: np.ndarray
    rejection: ChosenRejection
    bank_rows: int
    others: UnseenScores | None = None


def fit_head(
    task: HeadTask,
    seed: int,
    level: RejectLevel = RejectLevel.STANDARD,
    is_over: Callable[[], bool] = lambda: False,
) -> HeadFit:
    """Fit a head.

    Args:
        task: The pictures with their labels.
        seed: The seed of the folds.
        level: How strictly other subjects are rejected.
        is_over: Called between fits; if it returns True, the best fit so far is used.
    """
    with threadpool_limits(1):
        bank = None if level == RejectLevel.NONE else task.bank
        projection, own, others, sources = _project(task, bank, seed)
        folds = np.where(task.validates, -1, assign_folds(task.targets, task.groups, seed))
        validation = CrossValidation(task, own, others, folds, sources)
        best = validation.score(STRENGTHS[0])
        for strength in STRENGTHS[1:]:
            if is_over():
                break
            scored = validation.score(strength)
            if scored.loss < best.loss:
                best = scored
        distances, other_distances = validation.measure_distances(best.unseen)
        labels, targets = len(task.labels), task.targets[best.unseen]
        logits, other_logits = best.logits * best.factor, best.other_logits * best.factor
        excess = measure_excess(logits, labels, targets, level)
        logits[:, labels:] -= excess
        other_logits[:, labels:] -= excess
        unseen_others = None
        if len(best.rows):
            unseen_others = _compute_scores(other_logits, other_distances[best.rows], labels)
        rejection = choose_rejection(
            _compute_scores(logits, distances, labels), unseen_others, describe_genuine(task, best.unseen), level
        )
        weights, intercepts = validation.fit_all(best.strength)
        subspace = validation.fit_subspace_of_all()
    weights, intercepts = weights * best.factor, intercepts * best.factor
    intercepts[labels:] -= excess
    gate = None
    if rejection.limits is not None:
        gate = RejectionGate(subspace.restore(projection), rejection.limits, rejection.softness)
    head = ClassifierHead(
        task.labels,
        np.round(weights @ projection.axes.T, _DECIMALS),
        np.round(intercepts - weights @ (projection.mean @ projection.axes), _DECIMALS),
        gate,
        best.strength,
    )
    return HeadFit(head, best.unseen, rejection, len(others), unseen_others)


def describe_genuine(task: HeadTask, unseen: np.ndarray) -> GenuinePictures:
    """Return what is known about the user's pictures that the fit has not seen, and the precision to aim at."""
    shown = task.targets[unseen]
    shown = shown[shown != (-1 if task.background is None else task.background)]
    precision = aim_precision(len(shown), len(np.unique(shown)))
    return GenuinePictures(task.targets[unseen], task.background, task.groups[unseen].tolist(), precision)


def compute_softmax(logits: np.ndarray) -> np.ndarray:
    """Return (pictures, classes) probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return softmax


def _project(
    task: HeadTask, bank: BankRows | None, seed: int
) -> tuple[PrincipalAxes, Projected, Projected, np.ndarray]:
    """Return the projection, the projected pictures and rows of the bank, and the sources of these rows."""
    sample = np.concatenate([task.rows[part : part + 500] for part in range(0, min(len(task.rows), SAMPLE_ROWS), 500)])
    sample = sample[~task.validates[: len(sample)]]
    if bank is not None:
        sample = np.concatenate([sample, bank.x])
    projection = fit_projection(sample, seed)
    own = projection.project(task.rows)
    empty = Projected(np.zeros((0, projection.axes.shape[1]), np.float32), np.zeros(0))
    if bank is None:
        return projection, own, empty, np.zeros(0, np.intp)
    others = projection.project(bank.x)
    is_learned = ~task.validates
    if task.background is not None:
        is_learned = is_learned & (task.targets != task.background)
    learned = np.flatnonzero(is_learned)
    if len(learned) > _MANY_ROWS:
        # A copy of all coordinates would need as much memory again.
        learned = learned[sample_labels(task.targets[learned], _MANY_ROWS)]
    unlike = find_unlike(
        own.coordinates[learned], task.targets[learned], task.groups[learned], others.coordinates, bank.kinds
    )
    return projection, own, others.select(unlike), bank.sources[unlike]


def _compute_scores(logits: np.ndarray, distances: np.ndarray, labels: int) -> UnseenScores:
    return UnseenScores(
        probabilities=compute_softmax(logits)[:, :labels],
        plain=compute_softmax(logits[:, :labels]),
        is_other=logits.argmax(axis=1) >= labels,
        distances=distances,
    )
