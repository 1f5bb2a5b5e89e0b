"""Choose the thresholds of independent labels, by scores of pictures that the head was not fitted to.

Each label gets the lowest threshold at which the wanted precision can be promised for it, as a model with one label per
picture gets a common one (see evaluation/threshold.py). The common threshold is chosen for all labels together; it
applies to a label for which no picture decides.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from appliance.workshop.evaluation.intervals import count_effective
from appliance.workshop.evaluation.metrics import Counts
from appliance.workshop.evaluation.threshold import ThresholdChoice, choose_threshold, measure_point

_STEPS = range(30, 100)


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
        common: The threshold for labels without their own, and the figures of all labels at it.
        own: The thresholds that differ from the common one.
        figures: The figures of each label at its threshold.
        together: The figures of all labels at their thresholds.
    """

    common: ThresholdChoice
    own: Mapping[str, float]
    figures: tuple[LabelFigures, ...]
    together: Counts


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
    share = count_effective(recordings) / len(recordings) if len(recordings) else 1.0
    common = _choose(scores, membership, share)
    own: dict[str, float] = {}
    figures = []
    for index, label in enumerate(labels):
        column, is_own = scores[:, [index]], membership[:, [index]]
        choice = _choose(column, is_own, share)
        if not any(point.precision_share.total for point in choice.curve) or not is_own.any():
            choice = common
        elif choice.threshold != common.threshold:
            own[label] = choice.threshold
        counts = _count(column, is_own, choice.threshold)
        figures.append(LabelFigures(label, counts.content, choice.threshold, counts.precision, counts.recall or 0.0))
    thresholds = np.array([own.get(label, common.threshold) for label in labels])
    return IndependentThresholds(common, own, tuple(figures), _count(scores, membership, thresholds))


def _choose(scores: np.ndarray, is_own: np.ndarray, effective_share: float) -> ThresholdChoice:
    points = [measure_point(step / 100, _count(scores, is_own, step / 100), effective_share) for step in _STEPS]
    return choose_threshold(points)


def _count(scores: np.ndarray, is_own: np.ndarray, thresholds: np.ndarray | float) -> Counts:
    is_given = scores.astype(np.float32) >= np.asarray(thresholds, np.float32)
    return Counts(int(is_given.sum()), int((is_given & is_own).sum()), int(is_own.sum()))
