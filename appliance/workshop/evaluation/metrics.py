"""Compute the same figures as AutoML Vision Edge for the quality of scores, from numpy arrays only.

The definitions are AutoML's (firebase.google.com/docs/ml/automl-image-labeling): at a threshold, precision is the
share of correct labels among the given labels, and recall is the share of pictures that were given their label among
those with content to label. If pictures have several labels, each label of a picture counts like a picture. A label is
given if its score is at or above the threshold, compared as float32 as on the device. Precision is None if no label is
given; recall is None if no picture has content.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# The thresholds of the curves. Areas use every score that occurs as a threshold.
THRESHOLD_GRID = (np.arange(101) / 100).astype(np.float32)
_CHANCE_DRAWS = 200
# The score of a label that the model does not have: below every threshold, even 0.
NO_SCORE = np.float32(-1)


@dataclass(frozen=True, slots=True)
class Predictions:
    """A model's scores for pictures, aligned with the pictures' labels.

    Attributes:
        labels: The labels of the model except background, then the labels that occur only in the pictures.
        scores: (pictures, labels) float32, 0–1; NO_SCORE if the model lacks the label.
        targets: (pictures,) the index of each picture's label, or of its first; −1 if the picture shows none of them.
        best_labels: (pictures,) the index of the label with the highest score; the background label is no answer.
        best_scores: (pictures,) float32, the score of that label.
        several: (pictures, labels) bool, the labels of each picture, if pictures may have several; else None.
    """

    labels: tuple[str, ...]
    scores: np.ndarray
    targets: np.ndarray
    best_labels: np.ndarray
    best_scores: np.ndarray
    several: np.ndarray | None = None

    @property
    def has_content(self) -> np.ndarray:
        """(pictures,) bool: the picture has content to label."""
        return np.asarray(self.targets >= 0)

    @property
    def is_right(self) -> np.ndarray:
        """(pictures,) bool: the best label is the picture's own, or one of its own."""
        if self.several is not None:
            is_known = self.best_labels >= 0
            return np.asarray(is_known & self.several[np.arange(len(self.targets)), self.best_labels])
        return np.asarray(self.has_content & (self.best_labels == self.targets))

    @property
    def is_own_label(self) -> np.ndarray:
        """(pictures, labels) bool: the label is the picture's own, or one of its own."""
        if self.several is not None:
            return self.several
        return np.asarray(self.targets[:, np.newaxis] == np.arange(len(self.labels)))


@dataclass(frozen=True, slots=True)
class Counts:
    """The number of given labels, of correct given labels, and of pictures with content."""

    given: int
    right: int
    content: int

    @property
    def precision(self) -> float | None:
        """The share of correct labels among the given labels."""
        return self.right / self.given if self.given else None

    @property
    def recall(self) -> float | None:
        """The share of pictures that were given their label, among pictures with content."""
        return self.right / self.content if self.content else None


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Pictures whose best score is in [low, high): the mean of those scores, and the share of correct best labels."""

    low: float
    high: float
    pictures: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether labels with a score of 0.8 are right in 80 % of cases: bins, and their mean weighted gap (ECE)."""

    error: float | None
    bins: tuple[CalibrationBin, ...]


def compute_accuracy(predictions: Predictions) -> float | None:
    """Return the share of pictures with content whose best label is correct (top-1)."""
    content = int(predictions.has_content.sum())
    return int(predictions.is_right.sum()) / content if content else None


def count_labels(predictions: Predictions, thresholds: np.ndarray) -> Counts:
    """Count all labels together.

    Args:
        predictions: Of the pictures to count.
        thresholds: (labels,) float32.
    """
    counts = count_each_label(predictions, thresholds)
    content = _count_content(predictions, None)
    return Counts(sum(each.given for each in counts), sum(each.right for each in counts), content)


def count_each_label(predictions: Predictions, thresholds: np.ndarray) -> tuple[Counts, ...]:
    """Count each label separately.

    Args:
        predictions: Of the pictures to count.
        thresholds: (labels,) float32.
    """
    is_given, is_own = apply_thresholds(predictions, thresholds), predictions.is_own_label
    columns = (is_given.sum(axis=0), (is_given & is_own).sum(axis=0), is_own.sum(axis=0))
    return tuple(Counts(*numbers) for numbers in zip(*(column.tolist() for column in columns), strict=True))


def apply_thresholds(predictions: Predictions, thresholds: np.ndarray) -> np.ndarray:
    """Return (pictures, labels) bool: the labels that are given at these thresholds."""
    return np.asarray(predictions.scores >= thresholds.astype(np.float32))


def compute_curve(predictions: Predictions, label: int | None = None) -> tuple[Counts, ...]:
    """Count at each threshold of THRESHOLD_GRID, for all labels together or for the label with this index."""
    scores, is_own = _get_columns(predictions, label)
    # Compute how many grid thresholds each score reaches; NO_SCORE reaches none.
    reached = np.searchsorted(THRESHOLD_GRID, scores, side="right")
    given = _count_reached(reached, len(THRESHOLD_GRID))
    right = _count_reached(reached[is_own], len(THRESHOLD_GRID))
    content = _count_content(predictions, label)
    return tuple(Counts(int(a), int(b), content) for a, b in zip(given, right, strict=True))


def compute_area(predictions: Predictions, label: int | None = None) -> float | None:
    """Return the area under the precision-recall curve, for all labels together or for the label with this index.

    The area is the average precision: the mean of the precision over recall, stepwise and without interpolation, with
    every score that occurs as a threshold.
    """
    scores, is_own = _get_columns(predictions, label)
    content = _count_content(predictions, label)
    if not content:
        return None
    known = scores >= 0
    scores, is_own = scores[known], is_own[known]
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], np.cumsum(is_own[order])
    # Equal scores reach a threshold together.
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.empty(0, np.intp)
    precision, recall = right[last] / (last + 1), right[last] / content
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def compute_confusion(predictions: Predictions, thresholds: np.ndarray) -> np.ndarray:
    """Count pictures by their own label (rows) and the label given with the highest score (columns).

    Returns:
        (labels + 1, labels + 1) int.

    The last row counts pictures that show none of the labels; the last column counts pictures that were given none.
    """
    given = np.where(apply_thresholds(predictions, thresholds), predictions.scores, NO_SCORE)
    size = len(predictions.labels) + 1
    rows = np.where(predictions.has_content, predictions.targets, size - 1)
    if not len(rows):
        return np.zeros((size, size), np.intp)
    columns = np.where(given.max(axis=1) >= 0, given.argmax(axis=1), size - 1)
    return np.bincount(rows * size + columns, minlength=size * size).reshape(size, size)


def compute_calibration(predictions: Predictions, bins: int = 10) -> Calibration:
    """Return the calibration of the best score on pictures with content, in bins of equal width (Guo et al., 2017).

    If pictures have several labels, each score of each picture counts, because each label is decided independently.
    """
    scores, is_right = _list_decisions(predictions)
    bin_indexes = _find_bins(scores, bins)
    filled, gaps = [], 0.0
    for index in range(bins):
        inside = bin_indexes == index
        low, high, count = index / bins, (index + 1) / bins, int(inside.sum())
        if not count:
            filled.append(CalibrationBin(low, high, 0, None, None))
            continue
        confidence, accuracy = float(scores[inside].mean()), float(is_right[inside].mean())
        filled.append(CalibrationBin(low, high, count, confidence, accuracy))
        gaps += count * abs(confidence - accuracy)
    return Calibration(gaps / len(scores) if len(scores) else None, tuple(filled))


def compute_chance_error(predictions: Predictions, bins: int = 10) -> float | None:
    """Return the calibration error that chance alone exceeds in 5 % of cases; None if no picture has content.

    The scores are taken as true probabilities, and what is right is drawn from them, 200 times (consistency resampling:
    Bröcker and Smith, "Increasing the reliability of reliability diagrams", Weather and Forecasting 22, 2007).
    """
    scores, _ = _list_decisions(predictions)
    if not len(scores):
        return None
    bin_indexes = _find_bins(scores, bins)
    expected = np.bincount(bin_indexes, scores, bins)
    random = np.random.default_rng(0)
    errors = []
    for _ in range(_CHANCE_DRAWS):
        drawn = np.bincount(bin_indexes, random.random(len(scores)) < scores, bins)
        errors.append(np.abs(drawn - expected).sum() / len(scores))
    return float(np.quantile(errors, 0.95))


def _list_decisions(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores that should state how often they are right, and whether they are."""
    if predictions.several is not None:
        is_known = predictions.scores >= 0
        return predictions.scores[is_known].astype(np.float64), predictions.several[is_known]
    content = predictions.has_content
    return predictions.best_scores[content].clip(0, 1).astype(np.float64), predictions.is_right[content]


def _find_bins(scores: np.ndarray, bins: int) -> np.ndarray:
    return np.asarray(np.minimum((scores * bins).astype(np.intp), bins - 1))


def find_precise_threshold(curve: Sequence[Counts], precision: float, min_given: int) -> int | None:
    """Return the first index of a curve that reaches a precision on at least `min_given` labels; None if none does."""
    for index, counts in enumerate(curve):
        if counts.given >= min_given and counts.right >= precision * counts.given:
            return index
    return None


def _get_columns(predictions: Predictions, label: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of one label or of all labels, and whether each belongs to the picture's own label."""
    if label is None:
        return predictions.scores, predictions.is_own_label
    return predictions.scores[:, label], predictions.is_own_label[:, label]


def _count_content(predictions: Predictions, label: int | None) -> int:
    """Return how many labels the pictures have in total, or how many pictures have the label with this index."""
    is_own = predictions.is_own_label
    return int(is_own.sum() if label is None else is_own[:, label].sum())


def _count_reached(reached: np.ndarray, size: int) -> np.ndarray:
    """Return (size,) how many scores reach each threshold, given how many thresholds each score reaches."""
    exactly = np.bincount(reached.reshape(-1), minlength=size + 1)
    return np.asarray(exactly[::-1].cumsum()[::-1][1:])
