"""State how good a model is, how certain that is, and what to do about its weak labels: for `train` and `evaluate`.

Every figure is a share of a sample, so it comes with its 95 % interval and the size of the sample ("95 % right, between
90 and 98, on 60 pictures"). Pictures of one recording count as one for the interval (see intervals.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from appliance.workshop.evaluation.intervals import MeasuredShare, describe_recordings, share_effective
from appliance.workshop.evaluation.metrics import (
    Calibration,
    Predictions,
    compute_calibration,
    compute_chance_error,
    count_each_label,
    count_labels,
)
from appliance.workshop.evaluation.threshold import ThresholdPoint, measure_point

WORST_LABELS = 3
LOW_RECALL = 0.5
MAX_IMBALANCE = 10
_LISTED = 5
# From this size on, a tenth of a point is not mere noise.
_DECIMAL_FROM = 200


@dataclass(frozen=True, slots=True)
class LabelQuality:
    """The figures of one label.

    Attributes:
        label: Its name.
        precision: The correct ones among the reported labels of this name.
        recall: The pictures of the label that get it.
        accuracy: The pictures of the label whose best label it is, whatever the score.
    """

    label: str
    precision: MeasuredShare
    recall: MeasuredShare
    accuracy: MeasuredShare


@dataclass(frozen=True, slots=True)
class ModelQuality:
    """The figures of a model on pictures that it was not fitted to.

    Attributes:
        accuracy: The pictures whose best label is correct; a background label is no answer.
        point: Precision and recall at the model's threshold.
        labels: The figures of each label that has pictures, in the order of the model.
        calibration: How well the scores state how often they are right.
        chance_error: The calibration error that a perfectly calibrated model stays below on these pictures in 95 % of
            cases; None if no picture has content.
    """

    accuracy: MeasuredShare
    point: ThresholdPoint
    labels: tuple[LabelQuality, ...]
    calibration: Calibration
    chance_error: float | None

    @property
    def worst_labels(self) -> tuple[LabelQuality, ...]:
        """The WORST_LABELS labels with the lowest recall, the worst first."""
        return tuple(sorted(self.labels, key=lambda each: each.recall.value or 0.0)[:WORST_LABELS])


def build_predictions(
    labels: Sequence[str], scores: np.ndarray, targets: np.ndarray, background: int | None
) -> Predictions:
    """Build the predictions of a new model on its validation pictures.

    Args:
        labels: The names of its labels, including the background's.
        scores: (pictures, labels).
        targets: (pictures,) label indexes.
        background: The index of the background label, which is no answer; None if there is none.
    """
    kept = [index for index in range(len(labels)) if index != background]
    new_indexes = np.full(len(labels), -1, np.intp)
    new_indexes[kept] = np.arange(len(kept))
    own = scores[:, kept].astype(np.float32)
    best = own.argmax(axis=1)
    return Predictions(
        tuple(labels[index] for index in kept), own, new_indexes[targets], best, own[np.arange(len(own)), best]
    )


def measure_quality(
    predictions: Predictions, threshold: float, thresholds: np.ndarray, recordings: Sequence[str] | None = None
) -> ModelQuality:
    """Measure a model.

    Args:
        predictions: Its scores for the pictures.
        threshold: The common threshold, to be stated.
        thresholds: (labels,) float32, the threshold that applies to each label.
        recordings: The recording of each picture; None if all are separate.
    """
    groups = (
        np.arange(len(predictions.targets)) if recordings is None else np.unique(recordings, return_inverse=True)[1]
    )
    content, is_right = predictions.has_content, predictions.is_right
    effective_share = share_effective(groups.tolist())
    labels = []
    for index, counts in enumerate(count_each_label(predictions, thresholds)):
        is_own = predictions.is_own_label[:, index]
        if not counts.content:
            continue
        own_share = share_effective(groups[is_own].tolist())
        is_best = is_own & (predictions.best_labels == index)
        labels.append(
            LabelQuality(
                predictions.labels[index],
                MeasuredShare.measure(counts.right, counts.given, effective_share),
                MeasuredShare.measure(counts.right, counts.content, own_share),
                MeasuredShare.measure(int(is_best.sum()), counts.content, own_share),
            )
        )
    return ModelQuality(
        MeasuredShare.measure(int(is_right.sum()), int(content.sum()), share_effective(groups[content].tolist())),
        measure_point(threshold, count_labels(predictions, thresholds), effective_share),
        tuple(labels),
        compute_calibration(predictions),
        compute_chance_error(predictions),
    )


def describe_share(share: MeasuredShare, word: str = "", sample: str = "pictures") -> str:
    """Return a share with its uncertainty: "95 % right, between 90 and 98, on 60 pictures".

    Args:
        share: The share.
        word: What the share is, such as "right".
        sample: What was counted, in the plural.
    """
    if share.value is None or share.low is None or share.high is None:
        return f"– {word}".rstrip() + f", on no {sample}"
    decimals = 1 if share.total >= _DECIMAL_FROM else 0
    what = f"{100 * share.value:.{decimals}f} % {word}".rstrip()
    counted = f"{share.total} {sample.removesuffix('s') if share.total == 1 else sample}"
    between = f"between {100 * share.low:.{decimals}f} and {100 * share.high:.{decimals}f}"
    return f"{what}, {between}, on {counted}{describe_recordings(share.effective, share.total)}"


def bracket_share(share: MeasuredShare) -> str:
    """Return a share with its interval, in 17 columns: "92.3 %  86–96"."""
    if share.value is None or share.low is None or share.high is None:
        return f"{'–':>7}{'':10}"
    return f"{100 * share.value:5.1f} % {f'{100 * share.low:.0f}–{100 * share.high:.0f}':>7}  "


def describe_worst_labels(quality: ModelQuality) -> str | None:
    """Return the labels with the lowest recall and how many of their pictures they get; None for a single label."""
    if len(quality.labels) < 2:
        return None
    worst = ", ".join(
        f"{each.label} {100 * (each.recall.value or 0):.0f} % of {each.recall.total}" for each in quality.worst_labels
    )
    return f"the labels that are found least: {worst} pictures"


def warn_of_imbalance(pictures: Mapping[str, int]) -> Iterator[str]:
    """Yield a warning if labels have less than a tenth of the training pictures of another one.

    Args:
        pictures: Label → the number of its pictures.
    """
    if found := _find_imbalance(pictures):
        most, rare = found
        needed = -(-pictures[most] // MAX_IMBALANCE)
        yield (
            f"{rare} less than a tenth of the pictures of {most} ({pictures[most]}), so the model prefers {most}; add "
            f"pictures up to at least {needed}, or remove some of {most}"
        )


def warn_of_unbalanced_figures(pictures: Mapping[str, int]) -> Iterator[str]:
    """Yield a warning if labels have less than a tenth of the pictures of another one, in an evaluation.

    Args:
        pictures: Label → the number of its pictures.
    """
    if found := _find_imbalance(pictures):
        most, rare = found
        yield (
            f"{rare} less than a tenth of the pictures of {most} ({pictures[most]}), so the figures of all labels "
            f"together are mostly those of {most}; look at the recall of each label, or add pictures of the others"
        )


def _find_imbalance(pictures: Mapping[str, int]) -> tuple[str, str] | None:
    """Return the most frequent label, and the labels with less than a tenth of its pictures, "a (1) and b (2) have"."""
    most = max(pictures, key=lambda label: pictures[label], default=None)
    if most is None:
        return None
    rare = [label for label, count in pictures.items() if 0 < count * MAX_IMBALANCE < pictures[most]]
    rare.sort(key=lambda label: (pictures[label], label))
    names = _join_some([f"{label} ({pictures[label]})" for label in rare])
    return (most, f"{names} {'has' if len(rare) == 1 else 'have'}") if rare else None


def warn_of_sole_recordings(labels: Sequence[str]) -> Iterator[str]:
    """Yield a warning for labels whose pictures are all of one recording."""
    if labels:
        yield (
            f"all pictures of {_join_some(labels)} are of one recording, so the figures are too good; record "
            f"{'it' if len(labels) == 1 else 'each'} again, from another side or in another place"
        )


def warn_of_weak_labels(quality: ModelQuality) -> Iterator[str]:
    """Yield a warning, with what to do, for labels with a low recall, and if most pictures would get no label."""
    weak = [each for each in quality.labels if (each.recall.value or 0.0) < LOW_RECALL]
    if weak:
        weak.sort(key=lambda each: each.recall.value or 0.0)
        names = _join_some([f"{each.label} ({100 * (each.recall.value or 0):.0f} %)" for each in weak])
        yield (
            f"less than half of the pictures of {names} get their label; add pictures of "
            f"{'it' if len(weak) == 1 else 'them'} in other places and light, or lower the threshold of the label with "
            "evaluate --set-threshold LABEL=T"
        )
    recall = quality.point.recall_share
    if recall.value is not None and recall.value < LOW_RECALL:
        yield (
            f"only {100 * recall.value:.0f} % of the pictures with a known label would get it at the threshold "
            f"{quality.point.threshold:g}; add pictures, or accept more mistakes with evaluate --target-precision 0.9"
        )


def _join_some(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
