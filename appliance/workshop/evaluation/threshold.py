"""Choose thresholds: for a requested precision (`evaluate`), or on the validation pictures (`train`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from appliance.bundle.bundle import Bundle
from appliance.workshop.evaluation.metrics import (
    THRESHOLD_GRID,
    Counts,
    Predictions,
    compute_curve,
    find_precise_threshold,
)

# With fewer given labels, the precision is mostly chance.
MIN_LABELS_GIVEN = 10

# The rule for validation pictures: use the lowest threshold with this precision, or the default if there are fewer.
VALIDATION_PRECISION = 0.95
MIN_VALIDATION_PICTURES = 30
DEFAULT_THRESHOLD = 0.5
_VALIDATION_STEPS = range(30, 96)


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
class ThresholdChoice:
    """A threshold and its figures on the validation pictures; the precision is None if no label is given."""

    threshold: float
    precision: float | None
    recall: float


def find_thresholds_for_precision(predictions: Predictions, precision: float) -> PrecisionTarget:
    """Find the thresholds that reach a precision with the highest recall, in steps of 0.01 from 0.01 up.

    The common threshold is the lowest one at which all labels together reach the precision. A label that does not reach
    the precision at the common threshold gets the lowest higher threshold at which it does, so that all labels together
    still reach the precision. Only thresholds that give at least MIN_LABELS_GIVEN labels count.
    """
    curve = compute_curve(predictions)
    first = find_precise_threshold(curve[1:], precision, MIN_LABELS_GIVEN)
    if first is None:
        return PrecisionTarget(None, {}, (), _find_best(curve))
    common = first + 1
    label_thresholds, unreached = {}, []
    for index, label in enumerate(predictions.labels):
        own_curve = compute_curve(predictions, index)
        if not own_curve[common].given or own_curve[common].right >= precision * own_curve[common].given:
            continue
        higher = find_precise_threshold(own_curve[common:], precision, MIN_LABELS_GIVEN)
        if higher is None:
            unreached.append(label)
        else:
            label_thresholds[label] = (common + higher) / 100
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


def choose_validation_threshold(scores: np.ndarray, targets: np.ndarray, background: int | None) -> ThresholdChoice:
    """Choose a new model's threshold on its validation pictures.

    This is the lowest threshold with a precision of VALIDATION_PRECISION, or the threshold with the highest F1 if there
    is none.

    Args:
        scores: (pictures, labels).
        targets: (pictures,) label indexes.
        background: The index of the background label, which is never given; None if there is none.
    """
    label_scores = scores.copy()
    if background is not None:
        label_scores[:, background] = 0
    has_content = targets != background if background is not None else np.ones(len(targets), bool)
    own_scores = np.where(has_content, label_scores[np.arange(len(targets)), targets], -1.0)
    content = int(has_content.sum())
    if content < MIN_VALIDATION_PICTURES:
        return _measure_threshold(DEFAULT_THRESHOLD, label_scores, own_scores, content)
    choices = [_measure_threshold(step / 100, label_scores, own_scores, content) for step in _VALIDATION_STEPS]
    precise = [each for each in choices if each.precision is not None and each.precision >= VALIDATION_PRECISION]
    return precise[0] if precise else max(choices, key=_compute_f1)


def _find_best(curve: Sequence[Counts]) -> ThresholdCounts | None:
    """Return the threshold with the highest precision on enough labels and, of several, the most correct labels."""
    points = [
        ThresholdCounts(float(threshold), counts)
        for threshold, counts in zip(THRESHOLD_GRID.tolist(), curve, strict=True)
        if counts.given >= MIN_LABELS_GIVEN
    ]
    return max(points, key=lambda point: (point.counts.precision or 0.0, point.counts.right), default=None)


def _measure_threshold(
    threshold: float, label_scores: np.ndarray, own_scores: np.ndarray, content: int
) -> ThresholdChoice:
    """Return precision and recall at one threshold; `own_scores` contains the score of each picture's own label."""
    given, right = int((label_scores >= threshold).sum()), int((own_scores >= threshold).sum())
    return ThresholdChoice(threshold, right / given if given else None, right / content if content else 0.0)


def _compute_f1(choice: ThresholdChoice) -> float:
    precision = choice.precision or 0
    total = precision + choice.recall
    return 2 * precision * choice.recall / total if total else 0.0
