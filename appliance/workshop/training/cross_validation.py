"""Score pictures by fits that have not seen them: each fold of the user's pictures, each source of the background bank.

A source of the bank is left out as a whole, because the next thing before the camera is from none of them.
"""

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy.optimize import minimize_scalar

from appliance.workshop.training.discriminant import Moments, fit_discriminant, measure_moments
from appliance.workshop.training.folds import FOLDS
from appliance.workshop.training.gate import PrincipalSubspace, fit_subspace
from appliance.workshop.training.head_task import HeadTask
from appliance.workshop.training.projection import Projected
from appliance.workshop.training.rows import ChosenRows

_MAX_FACTOR_LOG = 12.0
_DECIMALS = 5
# In pictures; a whole one makes the scores of few pictures too low (the calibration error rises by .03).
_DOUBT = 0.1


@dataclass(frozen=True, slots=True)
class ScoredPictures:
    """The logits of unseen pictures and of rows of the bank at one strength.

    Attributes:
        strength: The strength.
        unseen: The indexes of the pictures.
        logits: Their logits.
        rows: The indexes of the rows whose source was left out of the fit.
        other_logits: The logits of these rows.
        factor: The factor of the logits with the best log loss.
        loss: The mean log loss of the pictures with it.
    """

    strength: float
    unseen: np.ndarray
    logits: np.ndarray
    rows: np.ndarray
    other_logits: np.ndarray
    factor: float
    loss: float


class CrossValidation:
    """Fit the softmax and the subspace without a fold or with all pictures, and score what was left out."""

    def __init__(
        self, task: HeadTask, own: Projected, others: Projected, folds: np.ndarray, sources: np.ndarray
    ) -> None:
        """Refer to the pictures.

        Args:
            task: Their labels.
            own: Their coordinates.
            others: The coordinates of the rows of the bank.
            folds: (pictures,) the fold of each picture; −1 for those for validation.
            sources: (rows,) the source of each row of the bank.
        """
        self._task, self._own, self._others, self._folds = task, own, others, folds
        # A source is left out together with a fold of pictures; held-out validation pictures were whole folds.
        used = np.unique(folds[folds >= 0])
        numbers = np.unique(sources, return_inverse=True)[1]
        self._other_folds = used[numbers % len(used)] if len(used) else numbers % FOLDS
        has_own_class = bool(len(others)) and (task.background is None or task.separates_bank)
        self._classes = len(task.labels) + has_own_class
        other_targets = np.full(len(others), len(task.labels) if has_own_class else task.background or 0)
        is_shown = np.ones(len(folds), bool) if task.background is None else task.targets != task.background
        self._shown = self._measure(own, task.targets, np.where(is_shown, folds, -1))
        self._pictures = self._shown if is_shown.all() else self._measure(own, task.targets, folds)
        self._rows = self._measure(others, other_targets, self._other_folds)

    def score(self, strength: float) -> ScoredPictures:
        """Fit with a strength and score the unseen pictures, and the rows of the bank whose source was left out."""
        logits = np.zeros((len(self._own), self._classes))
        other_logits = np.zeros((len(self._others), self._classes))
        unseen, is_scored = self._folds < 0, np.zeros(len(self._others), bool)
        for fold in range(FOLDS):
            out, other_out = self._folds == fold, self._other_folds == fold
            if not out.any():
                continue
            weights, intercepts = self._fit(fold, strength)
            logits[out] = self._own.coordinates[out] @ weights.T + intercepts
            other_logits[other_out] = self._others.coordinates[other_out] @ weights.T + intercepts
            unseen, is_scored = unseen | out, is_scored | other_out
        if (self._folds < 0).any():
            weights, intercepts = self.fit_all(strength)
            logits[self._folds < 0] = self._own.coordinates[self._folds < 0] @ weights.T + intercepts
        indexes, rows = np.flatnonzero(unseen), np.flatnonzero(is_scored)
        factor, loss = fit_factor(logits[indexes], self._task.targets[indexes])
        return ScoredPictures(strength, indexes, logits[indexes], rows, other_logits[rows], factor, loss)

    def measure_distances(self, unseen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the distances of the unseen pictures and of all rows of the bank."""
        whole = self.fit_subspace_of_all()
        distances, others = whole.measure_projected(self._own), whole.measure_projected(self._others)
        for fold in range(FOLDS):
            out = self._folds == fold
            if out.any():
                part = self._fit_subspace(fold)
                distances[out] = part.measure_projected(self._own.select(out))
        return distances[unseen], others

    def fit_all(self, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights and intercepts of a fit to all pictures but those for validation."""
        return self._fit(None, strength)

    def fit_subspace_of_all(self) -> PrincipalSubspace:
        """Return the subspace of all labeled pictures but those for validation."""
        return self._fit_subspace(None)

    def _measure(self, pictures: Projected, targets: np.ndarray, folds: np.ndarray) -> dict[int | None, Moments]:
        """Return the sums of each fold, and under None those of all folds."""
        moments: dict[int | None, Moments] = {
            fold: measure_moments(
                ChosenRows(pictures.coordinates, np.flatnonzero(folds == fold)), targets[folds == fold], self._classes
            )
            for fold in range(FOLDS)
        }
        moments[None] = reduce(operator.add, moments.values())
        return moments

    def _fit(self, left_out: int | None, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Fit the softmax without a fold, or to all folds."""
        own, others = (_leave_out(moments, left_out) for moments in (self._pictures, self._rows))
        count, other_count = float(own.counts.sum()), float(others.counts.sum())
        return fit_discriminant(own + others.weigh(min(1.0, count / max(other_count, 1.0))), strength)

    def _fit_subspace(self, left_out: int | None) -> PrincipalSubspace:
        return fit_subspace(_leave_out(self._shown, left_out))


def _leave_out(moments: Mapping[int | None, Moments], left_out: int | None) -> Moments:
    return moments[None] if left_out is None else moments[None] - moments[left_out]


def fit_factor(logits: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Return the factor of the logits with the best log loss (temperature scaling), and this mean log loss.

    A little more than what is wrong is taken as wrong, as by Platt, because otherwise labels that are always right
    would get the largest factor that there is, and scores of 1.
    """
    doubt = _DOUBT / (len(targets) + 2)
    lead = float((logits[np.arange(len(targets)), targets] - logits.mean(axis=1)).mean())

    def measure(factor: float) -> float:
        return measure_loss(logits * factor, targets) + doubt * factor * lead

    found = minimize_scalar(
        lambda log_factor: measure(np.exp(log_factor)),
        bounds=(-_MAX_FACTOR_LOG, _MAX_FACTOR_LOG),
        method="bounded",
        options={"xatol": 1e-3},
    )
    factor = round(float(np.exp(found.x)), _DECIMALS)
    return factor, round(measure(factor), 9)


def measure_loss(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean log loss of the softmax."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(targets)), targets]
    return float(losses.mean())
