"""The thresholds of a bundle: chosen for a precision that is wanted, and written into its manifest.

Nothing but the manifest changes, and the keys that others put into it stay. It is replaced as a whole or not at all:
a folder's manifest.json, or the zip that holds it, is written beside and renamed over, and the result is read as a
device reads it before it counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from appliance.bundle.bundle import Bundle
from appliance.workshop.evaluation.metrics import GRID, Counts, Predictions, curve, lowest_precise

# A precision that fewer labels show is chance.
LEAST_GIVEN = 10


@dataclass(frozen=True, slots=True)
class PrecisionTarget:
    """Thresholds for a precision.

    Attributes:
        threshold: The common one; None where none reaches the precision.
        label_thresholds: For the labels that need a higher one of their own.
        short_of_it: Labels that no threshold brings to the precision; they keep the common one.
        best: (threshold, counts) with the highest precision there is; None where no threshold gives enough labels.
    """

    threshold: float | None
    label_thresholds: Mapping[str, float]
    short_of_it: tuple[str, ...]
    best: tuple[float, Counts] | None


def choose(judged: Predictions, precision: float) -> PrecisionTarget:
    """Chooses the thresholds that reach a precision with the highest recall, in steps of 0.01 from 0.01 up.

    The common one is the lowest at which all labels together reach it. A label that does not reach it there by itself
    gets its own, the lowest above that does; so all together still reach it. Only what LEAST_GIVEN labels show counts.
    """
    points = curve(judged)
    place = lowest_precise(points[1:], precision, LEAST_GIVEN)
    enough = [(float(at), one) for at, one in zip(GRID.tolist(), points, strict=True) if one.given >= LEAST_GIVEN]
    best = max(enough, key=lambda found: (found[1].precision, found[1].right), default=None)
    if place is None:
        return PrecisionTarget(None, {}, (), best)
    common = place + 1
    own, short = {}, []
    for number, label in enumerate(judged.labels):
        alone = curve(judged, number)
        if not alone[common].given or alone[common].right >= precision * alone[common].given:
            continue
        higher = lowest_precise(alone[common:], precision, LEAST_GIVEN)
        if higher is None:
            short.append(label)
        else:
            own[label] = _step(common + higher)
    return PrecisionTarget(_step(common), own, tuple(short), best)


def _step(place: int) -> float:
    return place / 100


def kept_thresholds(
    bundle: Bundle, wanted: Sequence[tuple[str | None, float]]
) -> tuple[float | None, dict[str, float]]:
    """What a bundle is to say after `--set-threshold` options.

    A common threshold replaces all that the bundle says; labels alone are added to it.

    Args:
        bundle: As it is.
        wanted: (label or None for the common one, threshold).

    Returns:
        As write_thresholds takes them.
    """
    common = next((value for label, value in reversed(wanted) if label is None), None)
    own = {} if common is not None else dict(bundle.label_thresholds)
    own |= {label: value for label, value in wanted if label is not None}
    return common, own


TARGET_PRECISION = 0.95


LEAST_PICTURES = 30


DEFAULT = 0.5


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """A threshold and what it gives on the validation pictures; precision is None where no label is given."""

    threshold: float
    precision: float | None
    recall: float


def choose_threshold(scores: np.ndarray, targets: np.ndarray, background: int | None) -> ThresholdChoice:
    """Chooses a threshold.

    Args:
        scores: (pictures, labels).
        targets: (pictures,) numbers of labels.
        background: The number of the background's label, which is never given; None: there is none.
    """
    shown = scores.copy()
    if background is not None:
        shown[:, background] = 0
    content = targets != background if background is not None else np.ones(len(targets), bool)
    right = np.where(content, shown[np.arange(len(targets)), targets], -1.0)
    choices = [at_threshold(step / 100, shown, right, int(content.sum())) for step in range(30, 96)]
    if content.sum() < LEAST_PICTURES:
        return at_threshold(DEFAULT, shown, right, int(content.sum()))
    precise = [choice for choice in choices if choice.precision is not None and choice.precision >= TARGET_PRECISION]
    return precise[0] if precise else max(choices, key=_f1)


def at_threshold(threshold: float, shown: np.ndarray, right: np.ndarray, content: int) -> ThresholdChoice:
    """Precision and recall at one threshold; `right` has the score of each picture's own label."""
    given, hits = int((shown >= threshold).sum()), int((right >= threshold).sum())
    return ThresholdChoice(threshold, hits / given if given else None, hits / content if content else 0.0)


def _f1(choice: ThresholdChoice) -> float:
    total = (choice.precision or 0) + choice.recall
    return 2 * (choice.precision or 0) * choice.recall / total if total else 0.0
