"""Fit a head for pictures with several labels: a logistic regression for each label, calibrated.

The regularization strength is chosen by the mean average precision on the validation pictures. The calibration and the
thresholds need scores of pictures that the weights were not fitted to. There are few validation pictures of a rare
label, so each training picture gets such a score too: the training pictures are divided into folds, and each fold is
scored by weights that are fitted to the others. Pictures of one recording are in the same fold. With more than
MAX_FOLDED_ROWS training pictures, there are enough validation pictures.

No gate is fitted: a picture of something else is rejected because no label reaches its threshold. Background pictures,
and the rows of the background bank if the base has one, are simply pictures without any of the labels.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from threadpoolctl import threadpool_limits

from appliance.workshop.evaluation.metrics import Predictions, compute_area
from appliance.workshop.training.multi_label.calibration import fit_calibration
from appliance.workshop.training.multi_label.regression import IndependentRegression
from appliance.workshop.training.rows import Rows

STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03)
FOLDS = 5
MAX_FOLDED_ROWS = 10_000
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class IndependentHead:
    """A fitted head whose labels are decided independently.

    Attributes:
        labels: In the order of the scores.
        weights: (labels, size), calibrated.
        intercepts: (labels,), calibrated.
        strength: scikit-learn's C with the best result on the validation pictures.
    """

    labels: tuple[str, ...]
    weights: np.ndarray
    intercepts: np.ndarray
    strength: float

    def score(self, x: np.ndarray) -> np.ndarray:
        """Map (pictures, size) inputs of the head to (pictures, labels), equal to the written model's within 1e-5."""
        scores: np.ndarray = expit(x @ self.weights.T + self.intercepts)
        return scores


@dataclass(frozen=True, slots=True)
class LabeledRows:
    """Inputs of the head with the labels of their pictures.

    Attributes:
        rows: (pictures, size).
        membership: (pictures, labels) bool.
        recordings: The group of each picture: its recording, or its near duplicates.
    """

    rows: Rows
    membership: np.ndarray
    recordings: Sequence[Hashable]


@dataclass(frozen=True, slots=True)
class IndependentFit:
    """A fitted head, and its scores for pictures that its weights were not fitted to.

    Attributes:
        head: The head.
        merit: The mean over the labels of the average precision on the validation pictures, 0–1.
        scores: (pictures, labels), calibrated.
        membership: (pictures, labels) bool, the labels of these pictures.
        recordings: Their recordings.
    """

    head: IndependentHead
    merit: float
    scores: np.ndarray
    membership: np.ndarray
    recordings: tuple[Hashable, ...]


def fit_independent_head(
    labels: Sequence[str],
    train: LabeledRows,
    validation: LabeledRows,
    seed: int,
    is_over: Callable[[], bool] = lambda: False,
    negatives: np.ndarray | None = None,
) -> IndependentFit:
    """Fit a head.

    Args:
        labels: The names of the labels; each one is on some of the training pictures, but not on all.
        train: The pictures for fitting.
        validation: The pictures for selecting the strength, for the calibration, and for the thresholds.
        seed: The seed of the folds.
        is_over: Called between fits; if it returns True, the best fit so far is used.
        negatives: (rows, size) further inputs without any of the labels, to which every fit is fitted; not for more
            than MAX_FOLDED_ROWS pictures.
    """
    # One thread, so that the numbers are reproducible.
    with threadpool_limits(1):
        x = train.rows[0 : len(train.rows)] if len(train.rows) <= MAX_FOLDED_ROWS else train.rows
        best = _choose_strength(_make_regression(x, train.membership, negatives), validation, is_over)
        logits, unseen = [best.logits], [validation]
        if isinstance(x, np.ndarray) and not is_over():
            logits.append(_score_folds(x, train, best.strength, seed, negatives))
            unseen.append(train)
        all_logits = np.concatenate(logits)
        membership = np.concatenate([part.membership for part in unseen])
        calibration = fit_calibration(all_logits, membership)
    head = IndependentHead(
        tuple(labels),
        np.round(best.weights * calibration.slopes[:, np.newaxis], _DECIMALS),
        np.round(best.intercepts * calibration.slopes + calibration.shifts, _DECIMALS),
        best.strength,
    )
    recordings = tuple(recording for part in unseen for recording in part.recordings)
    return IndependentFit(head, best.merit, calibration.score(all_logits), membership, recordings)


@dataclass(frozen=True, slots=True)
class _RatedWeights:
    """Fitted weights with the logits of the validation pictures, their mean average precision, and log-likelihood."""

    weights: np.ndarray
    intercepts: np.ndarray
    strength: float
    logits: np.ndarray
    merit: float
    likelihood: float


def _choose_strength(
    regression: IndependentRegression, validation: LabeledRows, is_over: Callable[[], bool]
) -> _RatedWeights:
    x = validation.rows[0 : len(validation.rows)]

    def rate(strength: float) -> _RatedWeights:
        weights, intercepts = regression.fit(strength)
        logits = x @ weights.T + intercepts
        merit = round(measure_mean_precision(expit(logits), validation.membership), 6)
        likelihood = float((np.where(validation.membership, logits, 0) - np.logaddexp(0, logits)).mean())
        return _RatedWeights(weights, intercepts, strength, logits, merit, round(likelihood, 9))

    best = rate(STRENGTHS[0])
    for strength in STRENGTHS[1:]:
        if is_over():
            break
        rated = rate(strength)
        # If labels are separated equally well, which is common with few pictures, the likelihood decides.
        if (rated.merit, rated.likelihood) > (best.merit, best.likelihood):
            best = rated
    return best


def measure_mean_precision(scores: np.ndarray, membership: np.ndarray) -> float:
    """Return the mean over the labels, with pictures, of the average precision; 0 if there are none."""
    pictures, labels = scores.shape
    none = np.zeros(pictures, np.intp)
    predictions = Predictions(("",) * labels, scores, none, none, none, membership)
    areas = [compute_area(predictions, label) for label in range(labels)]
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if known else 0.0


def _make_regression(x: Rows, membership: np.ndarray, negatives: np.ndarray | None) -> IndependentRegression:
    if negatives is None or not isinstance(x, np.ndarray):
        return IndependentRegression(x, membership)
    none = np.zeros((len(negatives), membership.shape[1]), bool)
    return IndependentRegression(np.concatenate([x, negatives]), np.concatenate([membership, none]))


def _score_folds(
    x: np.ndarray, train: LabeledRows, strength: float, seed: int, negatives: np.ndarray | None
) -> np.ndarray:
    """Return (pictures, labels) the logits of the training pictures, by weights fitted to the other folds."""
    groups = sorted(set(train.recordings), key=str)
    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    fold_of = {group: rank % FOLDS for group, rank in zip(groups, order, strict=True)}
    folds = np.array([fold_of[recording] for recording in train.recordings])
    logits = np.zeros(train.membership.shape)
    for fold in sorted(set(folds.tolist())):
        inside = folds == fold
        if inside.all():
            break
        weights, intercepts = _make_regression(x[~inside], train.membership[~inside], negatives).fit(strength)
        logits[inside] = x[inside] @ weights.T + intercepts
    return logits
