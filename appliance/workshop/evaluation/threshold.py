"""Choose thresholds: for a requested precision (`evaluate`), or on the validation pictures (`train`)."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from appliance.bundle.bundle import Bundle
from appliance.workshop.evaluation.intervals import (
    MeasuredShare,
    count_required,
    floor_percent,
    share_effective,
)
from appliance.workshop.evaluation.metrics import (
    THRESHOLD_GRID,
    Counts,
    Predictions,
    compute_curve,
    find_precise_threshold,
)

# With fewer given labels, the precision is mostly chance.
MIN_LABELS_GIVEN = 10

# What the threshold of a new model is chosen for: this share of the reported labels is right.
VALIDATION_PRECISION = 0.95
# With fewer pictures per label, a threshold that promises so much would silence the model, so this is the aim.
FEW_PICTURES, FEW_PRECISION = 100, 0.9
# The threshold of a model that reports no label of the validation pictures at any other.
DEFAULT_THRESHOLD = 0.5
_VALIDATION_STEPS = range(30, 100)


@dataclass(frozen=True, slots=True)
class ThresholdCounts:
    """The counts of all labels together at one threshold."""

    threshold: float
    counts: Counts


@dataclass(frozen=True, slots=True)
class PrecisionTarget:
    """Thresholds for a requested precision.

    Attributes:
        threshold: The common threshold; None if none reaches the precision.
        label_thresholds: The thresholds of labels that need a higher one.
        unreached_labels: Labels that do not reach the precision at any threshold; they keep the common threshold.
        best: The threshold with the highest precision; None if no threshold gives enough labels.
    """

    threshold: float | None
    label_thresholds: Mapping[str, float]
    unreached_labels: tuple[str, ...]
    best: ThresholdCounts | None


@dataclass(frozen=True, slots=True)
class ThresholdPoint:
    """A threshold and its figures on pictures that the model was not fitted to.

    Attributes:
        threshold: From 0 to 1.
        precision_share: The correct labels among the reported ones.
        recall_share: The pictures that get their label, among those with content.
    """

    threshold: float
    precision_share: MeasuredShare
    recall_share: MeasuredShare

    @property
    def precision(self) -> float | None:
        """The share of correct labels among the reported ones; None if no label is reported."""
        return self.precision_share.value

    @property
    def recall(self) -> float:
        """The share of pictures that get their label; 0 if no picture has content."""
        return self.recall_share.value or 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the point as it is in the curve of `train --json` and `evaluate --json`."""
        return {
            "threshold": self.threshold,
            "precision": self.precision_share.as_dict(),
            "recall": self.recall_share.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """The threshold of a new model, and what it promises.

    Attributes:
        point: The threshold, and its figures.
        target: The precision that was wanted.
        curve: The figures at every threshold that was compared, from the lowest.
    """

    point: ThresholdPoint
    target: float = VALIDATION_PRECISION
    curve: tuple[ThresholdPoint, ...] = ()

    @property
    def threshold(self) -> float:
        """The threshold."""
        return self.point.threshold

    @property
    def precision(self) -> float | None:
        """The share of correct labels among the reported ones; None if no label is reported."""
        return self.point.precision

    @property
    def recall(self) -> float:
        """The share of pictures that get their label."""
        return self.point.recall

    @property
    def is_reached(self) -> bool:
        """Whether the wanted precision can be promised: it is below the one-sided 90 % bound of the measured one."""
        return self.point.precision_share.bound >= self.target

    @property
    def promise(self) -> str:
        """What can be promised of new pictures, as a sentence for people."""
        share = self.point.precision_share
        if not share.total:
            return "no label of these pictures is reported at any threshold, so nothing can be promised"
        at_least = f"at least {floor_percent(share.bound)} % of the reported labels are right (90 % sure)"
        if self.is_reached:
            if self.target >= VALIDATION_PRECISION:
                return at_least
            return f"{at_least}; from {FEW_PICTURES} pictures per label on, the aim is {100 * VALIDATION_PRECISION:g} %"
        required = count_required(self.target)
        wanted = f"{100 * self.target:g} %"
        if share.effective < required:
            of = " of different recordings" if share.effective < share.total - 0.5 else ""
            return f"{at_least}; to promise {wanted}, at least {required} reported labels{of} are needed, all right"
        return f"{at_least}; {wanted} is not reached at any threshold"


def find_thresholds_for_precision(predictions: Predictions, precision: float) -> PrecisionTarget:
    """Find the thresholds that reach a precision with the highest recall, in steps of 0.01 from 0.01 up.

    The common threshold is the lowest one at which all labels together reach the precision. A label that does not reach
    the precision at the common threshold gets the lowest higher threshold at which it does, so that all labels together
    still reach the precision. If pictures have several labels, each label gets the lowest threshold at which it reaches
    the precision alone, also below the common one. Only thresholds that give at least MIN_LABELS_GIVEN labels count.
    """
    curve = compute_curve(predictions)
    first = find_precise_threshold(curve[1:], precision, MIN_LABELS_GIVEN)
    if first is None:
        return PrecisionTarget(None, {}, (), _find_best(curve))
    common = first + 1
    label_thresholds, unreached = {}, []
    for index, label in enumerate(predictions.labels):
        own_curve = compute_curve(predictions, index)
        is_reached = own_curve[common].right >= precision * own_curve[common].given
        if predictions.several is None and is_reached:
            continue
        lowest = common if predictions.several is None else 1
        higher = find_precise_threshold(own_curve[lowest:], precision, MIN_LABELS_GIVEN)
        if higher is not None:
            if lowest + higher != common:
                label_thresholds[label] = (lowest + higher) / 100
        elif not is_reached:
            unreached.append(label)
    return PrecisionTarget(common / 100, label_thresholds, tuple(unreached), _find_best(curve))


def merge_thresholds(
    bundle: Bundle, requested: Sequence[tuple[str | None, float]]
) -> tuple[float | None, dict[str, float]]:
    """Combine the thresholds of a bundle with `--set-threshold` options.

    A common threshold replaces all thresholds of the bundle. If only label thresholds are requested, they are added to
    those of the bundle.

    Args:
        bundle: The unchanged bundle.
        requested: (label, or None for the common threshold; threshold).

    Returns:
        The common threshold and the label thresholds, as write_thresholds accepts them.
    """
    common = next((value for label, value in reversed(requested) if label is None), None)
    label_thresholds = {} if common is not None else dict(bundle.label_thresholds)
    label_thresholds |= {label: value for label, value in requested if label is not None}
    return common, label_thresholds


def aim_precision(pictures: int, labels: int) -> float:
    """Return the precision that the threshold of a new model aims at, by the number of pictures and labels."""
    return FEW_PRECISION if pictures < FEW_PICTURES * labels else VALIDATION_PRECISION


def choose_validation_threshold(
    scores: np.ndarray,
    targets: np.ndarray,
    background: int | None,
    groups: Sequence[Hashable] | None = None,
    target: float = VALIDATION_PRECISION,
) -> ThresholdChoice:
    """Choose a new model's threshold on pictures that it was not fitted to.

    Args:
        scores: (pictures, labels).
        targets: (pictures,) label indexes.
        background: The index of the background label, which is never given; None if there is none.
        groups: The recording of each picture; pictures of one recording count as one sample. None if all are separate.
        target: The precision that is wanted.
    """
    label_scores = scores.copy()
    if background is not None:
        label_scores[:, background] = 0
    has_content = targets != background if background is not None else np.ones(len(targets), bool)
    own_scores = np.where(has_content, label_scores[np.arange(len(targets)), targets], -1.0)
    effective_share = 1.0 if groups is None else share_effective(groups)
    content = int(has_content.sum())
    points = []
    for step in _VALIDATION_STEPS:
        threshold = step / 100
        given, right = int((label_scores >= threshold).sum()), int((own_scores >= threshold).sum())
        points.append(measure_point(threshold, Counts(given, right, content), effective_share))
    return choose_threshold(points, target)


def choose_threshold(points: Sequence[ThresholdPoint], target: float = VALIDATION_PRECISION) -> ThresholdChoice:
    """Choose the lowest threshold whose one-sided 90 % Wilson bound of the precision meets the target.

    A threshold chosen by the measured precision itself is too low: of many thresholds, one looks precise by chance, so
    that "95 %" on 50 pictures becomes 90 % on new ones. If no bound meets the target, the threshold with the highest
    bound is used, and of several the lowest.

    Args:
        points: The thresholds to compare, from the lowest.
        target: The precision that is wanted.
    """
    given = [each for each in points if each.precision_share.total]
    if not given:
        default = min(points, key=lambda each: abs(each.threshold - DEFAULT_THRESHOLD))
        return ThresholdChoice(default, target, tuple(points))
    reached = next((each for each in given if each.precision_share.bound >= target), None)
    best = reached or max(given, key=lambda each: each.precision_share.bound)
    return ThresholdChoice(best, target, tuple(points))


def measure_point(threshold: float, counts: Counts, effective_share: float = 1.0) -> ThresholdPoint:
    """Return a threshold with its figures and their intervals.

    Args:
        threshold: From 0 to 1.
        counts: What is given at the threshold.
        effective_share: See MeasuredShare.measure.
    """
    return ThresholdPoint(
        threshold,
        MeasuredShare.measure(counts.right, counts.given, effective_share),
        MeasuredShare.measure(counts.right, counts.content, effective_share),
    )


def _find_best(curve: Sequence[Counts]) -> ThresholdCounts | None:
    """Return the threshold with the highest precision on enough labels and, of several, the most correct labels."""
    points = [
        ThresholdCounts(float(threshold), counts)
        for threshold, counts in zip(THRESHOLD_GRID.tolist(), curve, strict=True)
        if counts.given >= MIN_LABELS_GIVEN
    ]
    return max(points, key=lambda point: (point.counts.precision or 0.0, point.counts.right), default=None)
