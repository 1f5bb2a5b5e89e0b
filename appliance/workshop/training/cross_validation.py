"""Score pictures by fits that have not seen them: each fold of the user's pictures, each source of the background bank.

A source of the bank is left out as a whole, because the next thing before the camera is from none of them.
"""

from dataclasses import dataclass

import numpy as np

from appliance.workshop.training.batched_regression import BatchedRegression
from appliance.workshop.training.folds import count_folds, count_scored_folds
from appliance.workshop.training.gate import PrincipalSubspace, fit_subspace
from appliance.workshop.training.head_task import HeadTask
from appliance.workshop.training.projection import Projected
from appliance.workshop.training.rows import ChosenRows, JoinedRows, Rows

# The coordinates of more pictures are read in batches, because a copy for each fold would need much memory.
MANY_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class ScoredPictures:
    """The logits of unseen pictures and of rows of the bank at one strength.

    Attributes:
        strength: The strength.
        unseen: The indexes of the pictures.
        logits: Their logits.
        rows: The indexes of the rows whose source was left out of the fit.
        other_logits: The logits of these rows.
        merit: The accuracy and the mean log-likelihood of the pictures' labels.
    """

    strength: float
    unseen: np.ndarray
    logits: np.ndarray
    rows: np.ndarray
    other_logits: np.ndarray
    merit: tuple[float, float]


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

        count = count_folds(len(folds))
        self._other_folds = np.unique(sources, return_inverse=True)[1] % count
        learned = int((folds >= 0).sum())
        self._is_many = learned > MANY_ROWS
        # Of a base that was trained on these pictures, no fold is unseen.
        self._used_folds = range(0 if task.has_seen_training else min(count, count_scored_folds(learned)))
        self._has_own_class = bool(len(others)) and task.background is None
        self._classes = len(task.labels) + self._has_own_class
        self._other_class = len(task.labels) if task.background is None else task.background
        # A regression starts from its result for the strength before.
        self._regressions: dict[int | None, BatchedRegression] = {}

    def score(self, strength: float) -> ScoredPictures:
        """Fit with a strength and score the unseen pictures, and the rows of the bank whose source was left out."""
        logits = np.zeros((len(self._own), self._classes))
        other_logits = np.zeros((len(self._others), self._classes))
        unseen, is_scored = self._folds < 0, np.zeros(len(self._others), bool)
        for fold in self._used_folds:
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
        merit = self._rate(logits[indexes], indexes)
        return ScoredPictures(strength, indexes, logits[indexes], rows, other_logits[rows], merit)

    def measure_distances(self, unseen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the distances of the unseen pictures and of all rows of the bank."""
        whole = self.fit_subspace_of_all()
        distances, others = whole.measure_projected(self._own), whole.measure_projected(self._others)
        for fold in self._used_folds:
            out = self._folds == fold
            if out.any():
                part = self._fit_subspace(~out & (self._folds >= 0))
                distances[out] = part.measure_projected(self._own.select(out))
        return distances[unseen], others

    def fit_all(self, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights and intercepts of a fit to all pictures but those for validation."""
        return self._fit(None, strength)

    def fit_subspace_of_all(self) -> PrincipalSubspace:
        """Return the subspace of all labeled pictures but those for validation."""
        return self._fit_subspace(self._folds >= 0)

    def _fit(self, left_out: int | None, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Fit the softmax without a fold, or to all folds."""
        if left_out not in self._regressions:
            chosen, others = self._folds >= 0, np.ones(len(self._others), bool)
            if left_out is not None:
                chosen, others = chosen & (self._folds != left_out), self._other_folds != left_out
            own = ChosenRows(self._own.coordinates, np.flatnonzero(chosen))
            x = JoinedRows(own, self._others.coordinates[others])
            count, other_count = int(chosen.sum()), int(others.sum())
            targets = np.append(self._task.targets[chosen], np.full(other_count, self._other_class))
            weights = np.append(np.ones(count), np.full(other_count, min(1.0, count / max(other_count, 1))))
            rows: Rows = x if self._is_many else x[:]
            self._regressions[left_out] = BatchedRegression(rows, targets, self._classes, weights)
        return self._regressions[left_out].fit(strength)

    def _fit_subspace(self, chosen: np.ndarray) -> PrincipalSubspace:
        if self._task.background is not None:
            chosen = chosen & (self._task.targets != self._task.background)
        return fit_subspace(ChosenRows(self._own.coordinates, np.flatnonzero(chosen)))

    def _rate(self, logits: np.ndarray, unseen: np.ndarray) -> tuple[float, float]:
        """Return accuracy and likelihood; a background label is no answer.

        If accuracies are equal, which is common with few pictures, the likelihood of the correct labels decides.
        """
        targets = self._task.targets[unseen]
        answers = logits[:, : len(self._task.labels)].copy()
        is_shown = np.ones(len(unseen), bool)
        if self._task.background is not None:
            answers[:, self._task.background] = -np.inf
            is_shown = targets != self._task.background
        accuracy = (answers.argmax(axis=1) == targets)[is_shown].mean() if is_shown.any() else 0.0
        likelihood = -measure_loss(logits, targets)
        return round(float(accuracy), 9), round(likelihood, 9)


def measure_loss(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean log loss of the softmax."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(targets)), targets]
    return float(losses.mean())
