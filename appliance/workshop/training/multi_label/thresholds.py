"""Choose the thresholds of independent labels, by scores of pictures that the head was not fitted to.

A model with one label per picture promises a precision (see evaluation/threshold.py). If each label had to promise it
alone, a label with 100 pictures would lose most of its recall. Therefore the promise is for all labels together, at
their own thresholds: each label gets the lowest threshold at which its measured precision is at least the wanted one,
which is raised in steps until the one-sided 90 % bound of all labels together meets the target. The common threshold is
chosen for all labels together; it applies to a label that too few pictures show.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from appliance.workshop.evaluation.intervals import share_effective
from appliance.workshop.evaluation.metrics import Counts
from appliance.workshop.evaluation.threshold import (
    VALIDATION_PRECISION,
    ThresholdChoice,
    choose_threshold,
    measure_point,
)

WANTED = (0.95, 0.96, 0.97, 0.98, 0.99)
# Below 0.5, a calibrated label is rather wrong; nothing else rejects pictures of other subjects.
_STEPS = range(50, 100)
# With fewer right labels, the precision at a threshold is mostly chance.
_MIN_RIGHT = 3


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """What one label's threshold gives on pictures that the head was not fitted to.

    Attributes:
        label: The label.
        pictures: The number of pictures with the label.
        threshold: From 0 to 1.
        precision: The share of right ones among those that were given the label; None if none was.
        recall: The share of the pictures with the label that were given it.
    """

    label: str
    pictures: int
    threshold: float
    precision: float | None
    recall: float


@dataclass(frozen=True, slots=True)
class IndependentThresholds:
    """The thresholds of all labels.

    Attributes:
        common: The threshold for labels without their own, and the figures of all labels at their thresholds.
        own: The thresholds that differ from the common one.
        figures: The figures of each label at its threshold.
    """

    common: ThresholdChoice
    own: Mapping[str, float]
    figures: tuple[LabelFigures, ...]


def choose_thresholds(
    labels: Sequence[str], scores: np.ndarray, membership: np.ndarray, recordings: Sequence[Hashable]
) -> IndependentThresholds:
    """Choose the common threshold and those of the labels.

    Args:
        labels: The names of the labels.
        scores: (pictures, labels), for pictures that the head was not fitted to.
        membership: (pictures, labels) bool, the labels of these pictures.
        recordings: The recording of each picture; pictures of one recording count as one sample.
    """
    share = share_effective(recordings)
    curve = [measure_point(step / 100, _count(scores, membership, step / 100), share) for step in _STEPS]
    common = choose_threshold(curve).threshold
    columns = [_measure_column(scores[:, index], membership[:, index]) for index in range(len(labels))]
    best, best_point = np.full(len(labels), common), None
    for wanted in WANTED:
        thresholds = np.array([_find_threshold(column, wanted, common) for column in columns])
        point = measure_point(common, _count(scores, membership, thresholds), share)
        if best_point is None or point.precision_share.bound > best_point.precision_share.bound:
            best, best_point = thresholds, point
        if point.precision_share.bound >= VALIDATION_PRECISION:
            break
    assigned = dict(zip(labels, best.tolist(), strict=True))
    figures = []
    for index, label in enumerate(labels):
        counts = _count(scores[:, [index]], membership[:, [index]], assigned[label])
        figures.append(LabelFigures(label, counts.content, assigned[label], counts.precision, counts.recall or 0.0))
    own = {label: threshold for label, threshold in assigned.items() if threshold != common}
    together = best_point or measure_point(common, _count(scores, membership, common), share)
    choice = ThresholdChoice(together, VALIDATION_PRECISION, tuple(curve))
    return IndependentThresholds(choice, own, tuple(figures))


def _measure_column(scores: np.ndarray, is_own: np.ndarray) -> list[Counts]:
    """Return the counts of one label at each of the thresholds."""
    return [_count(scores[:, np.newaxis], is_own[:, np.newaxis], step / 100) for step in _STEPS]


def _find_threshold(column: Sequence[Counts], wanted: float, common: float) -> float:
    """Return the lowest threshold with the wanted precision, else the one with the highest lower bound."""
    if max(counts.right for counts in column) < _MIN_RIGHT:
        return common
    precise = [counts.right >= max(_MIN_RIGHT, wanted * counts.given) for counts in column]
    if any(precise):
        return _STEPS[precise.index(True)] / 100
    return choose_threshold(
        [measure_point(step / 100, counts) for step, counts in zip(_STEPS, column, strict=True)], 1.0
    ).threshold


def _count(scores: np.ndarray, is_own: np.ndarray, thresholds: np.ndarray | float) -> Counts:
    is_given = scores.astype(np.float32) >= np.asarray(thresholds, np.float32)
    return Counts(int(is_given.sum()), int((is_given & is_own).sum()), int(is_own.sum()))
