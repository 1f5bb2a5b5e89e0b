"""How good scores are, in the figures that AutoML Vision Edge gives, from numpy arrays alone.

The definitions are AutoML's (firebase.google.com/docs/ml/automl-image-labeling): at a threshold, precision is the share of
right ones among the labels given, and recall the share of pictures that were given their label among those that had
content to label. A label is given where its score is at or above the threshold, compared as float32 as the device
does. Precision is None where no label is given, recall None where nothing had content; neither is ever made up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# The thresholds that curves are drawn at. Areas are taken at every score that occurs.
GRID = (np.arange(101) / 100).astype(np.float32)
NEVER = np.float32(-1)


@dataclass(frozen=True, slots=True)
class Predictions:
    """Pictures with what they show and what a model says of them.

    Attributes:
        labels: Those that can be given, and those that pictures have and the model lacks.
        scores: (pictures, labels) float32, 0–1; NEVER where the model lacks the label.
        targets: (pictures,) the number of each picture's label; −1 where it shows none of them.
        best: (pictures,) the number of the label with the highest score; −1 where that is the background label.
        confidence: (pictures,) float32, the highest score itself.
    """

    labels: tuple[str, ...]
    scores: np.ndarray
    targets: np.ndarray
    best: np.ndarray
    confidence: np.ndarray

    @property
    def content(self) -> np.ndarray:
        """(pictures,) bool: which had content to label."""
        return self.targets >= 0

    @property
    def right(self) -> np.ndarray:
        """(pictures,) bool: whose best label is theirs."""
        return self.content & (self.best == self.targets)

    @property
    def own(self) -> np.ndarray:
        """(pictures, labels) bool: which label is the picture's own."""
        return self.targets[:, np.newaxis] == np.arange(len(self.labels))


@dataclass(frozen=True, slots=True)
class Counts:
    """Labels given and pictures to label, counted."""

    given: int
    right: int
    content: int

    @property
    def precision(self) -> float | None:
        """Right ones among the labels given."""
        return self.right / self.given if self.given else None

    @property
    def recall(self) -> float | None:
        """Pictures that were given their label, among those that had one."""
        return self.right / self.content if self.content else None


@dataclass(frozen=True, slots=True)
class Bin:
    """Pictures whose best score lies in [low, high): the mean of those scores, and the share that is right."""

    low: float
    high: float
    pictures: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether a score of 0.8 is right in 80 % of cases: the bins, and their mean gap weighted by pictures (ECE)."""

    error: float | None
    bins: tuple[Bin, ...]


def accuracy(judged: Predictions) -> float | None:
    """The share of pictures with content whose best label is right (top-1)."""
    content = int(judged.content.sum())
    return int(judged.right.sum()) / content if content else None


def tally(judged: Predictions, thresholds: np.ndarray) -> Counts:
    """Counts all labels together at one threshold for each, (labels,) float32."""
    each = label_tallies(judged, thresholds)
    return Counts(sum(one.given for one in each), sum(one.right for one in each), int(judged.content.sum()))


def label_tallies(judged: Predictions, thresholds: np.ndarray) -> tuple[Counts, ...]:
    """Counts each label by itself at its threshold."""
    given = passing(judged, thresholds)
    counts = zip(
        given.sum(axis=0).tolist(),
        (given & judged.own).sum(axis=0).tolist(),
        judged.own.sum(axis=0).tolist(),
        strict=True,
    )
    return tuple(Counts(*count) for count in counts)


def passing(judged: Predictions, thresholds: np.ndarray) -> np.ndarray:
    """(pictures, labels) bool: the labels that are given. NEVER is below every threshold, even 0."""
    return judged.scores >= thresholds.astype(np.float32)


def curve(judged: Predictions, label: int | None = None) -> tuple[Counts, ...]:
    """The counts at each threshold of GRID, of all labels together or of one."""
    scores, own = (judged.scores, judged.own) if label is None else (judged.scores[:, label], judged.own[:, label])
    # How many thresholds of the grid each score reaches; NEVER reaches none.
    reached = np.searchsorted(GRID, scores, side="right")
    given = _at_least(reached, len(GRID))
    right = _at_least(reached[own], len(GRID))
    content = int(judged.content.sum() if label is None else own.sum())
    return tuple(Counts(int(a), int(b), content) for a, b in zip(given, right, strict=True))


def area(judged: Predictions, label: int | None = None) -> float | None:
    """The area under the precision-recall curve, of all labels together or of one.

    As the mean of the precision over the recall reached, stepwise and without interpolation (average precision), with
    every score that occurs as a threshold.
    """
    scores, own = (judged.scores, judged.own) if label is None else (judged.scores[:, label], judged.own[:, label])
    content = int(judged.content.sum() if label is None else own.sum())
    if not content:
        return None
    known = scores >= 0
    scores, own = scores[known], own[known]
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], np.cumsum(own[order])
    # Equal scores pass a threshold together.
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.empty(0, np.intp)
    precision, recall = right[last] / (last + 1), right[last] / content
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def confusion(judged: Predictions, thresholds: np.ndarray) -> np.ndarray:
    """(labels + 1, labels + 1) int: what pictures show (rows) against the label given with the highest score (columns).

    The last row has the pictures that show none of the labels, the last column those that were given none.
    """
    given = np.where(passing(judged, thresholds), judged.scores, NEVER)
    size = len(judged.labels) + 1
    rows = np.where(judged.content, judged.targets, size - 1)
    if not len(rows):
        return np.zeros((size, size), np.intp)
    columns = np.where(given.max(axis=1) >= 0, given.argmax(axis=1), size - 1)
    return np.bincount(rows * size + columns, minlength=size * size).reshape(size, size)


def calibration(judged: Predictions, bins: int = 10) -> Calibration:
    """The reliability of the best score on pictures with content, in bins of equal width (Guo et al., 2017)."""
    confidence, right = judged.confidence[judged.content].astype(np.float64), judged.right[judged.content]
    place = np.minimum((confidence * bins).astype(np.intp), bins - 1)
    filled, error = [], 0.0
    for number in range(bins):
        inside = place == number
        count = int(inside.sum())
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if count else (None, None)
        filled.append(Bin(number / bins, (number + 1) / bins, count, *means))
        if count:
            error += count * abs(means[0] - means[1])
    return Calibration(error / len(confidence) if len(confidence) else None, tuple(filled))


def lowest_precise(tallies: Sequence[Counts], precision: float, least_given: int) -> int | None:
    """The first place of a curve at which so much precision is reached on at least so many labels; None: nowhere."""
    for place, one in enumerate(tallies):
        if one.given >= least_given and one.right >= precision * one.given:
            return place
    return None


def _at_least(reached: np.ndarray, size: int) -> np.ndarray:
    """(size,) how many reach each threshold of the grid; something that reaches n of them reaches the first n."""
    exactly = np.bincount(reached.reshape(-1), minlength=size + 1)
    return exactly[::-1].cumsum()[::-1][1:]
