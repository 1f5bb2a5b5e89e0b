"""Decide whether a new model is better than the current one, with confidence intervals.

Both models labeled the same pictures, so they are compared picture by picture. Two measures decide: the accuracy of the
best label, which does not depend on a threshold, and F1 at each bundle's own thresholds, which a device will use. With
background pictures, there is a third measure: false labels per 1,000 background pictures.

The interval of the accuracy is Tango's for paired shares (see paired.py). That of the others is a paired bootstrap: as
many pictures as there are in total are drawn with replacement, 10,000 times; the interval contains the middle 95 % of
the differences. Pictures of one recording (see datasets/recordings.py) are drawn together, and count as one in the
exact tests. The same seed gives the same intervals.

- BETTER or WORSE: the interval is on one side of zero, and an exact test excludes chance. For accuracy, this is
  McNemar's test; for the others, at least 6 pictures must differ, the smallest number that McNemar's test can accept.
- TOO_FEW (too few to tell): with fewer than 6 pictures (or recordings), no result could exclude chance; or the interval
  contains a loss of more than MATTERING_LOSS. The models may be equal, but the pictures do not show it.
- SAME (no difference proven): otherwise. A loss of more than MATTERING_LOSS is excluded.

The new model is worse if any measure is worse, and better if at least one is better and none is worse. Otherwise, one
measure with too few pictures makes the result TOO_FEW. An interval that the pictures cannot give is None: with fewer
than 6 samples, and if all draws of a bootstrap are equal.

For each label, the share of pictures whose best label is correct (F1, if pictures have several labels) is compared in
the same way, but does not affect the result.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from appliance.workshop.evaluation.difference import (
    FALSE_LABELS,
    MATTERING_LOSS,
    MIN_DIFFERENT_PICTURES,
    Comparison,
    ComparisonResult,
    Difference,
)
from appliance.workshop.evaluation.evaluate import Evaluation, ModelEvaluation
from appliance.workshop.evaluation.intervals import count_effective
from appliance.workshop.evaluation.metrics import Predictions, apply_thresholds
from appliance.workshop.evaluation.paired import compute_paired_interval, passes_mcnemar

BOOTSTRAP_DRAWS = 10_000
CONFIDENCE_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class _Measure:
    """The computation and the tests of a figure.

    Attributes:
        name: The name, for people.
        compute: (n, columns) sums and (n,) numbers of pictures → (n, 2) the figures of the new and the old model.
        is_share: Whether each picture is right or wrong, which has an interval and a test of its own.
        is_less_better: Whether lower is better, as for false labels.
    """

    name: str
    compute: Callable[[np.ndarray, np.ndarray], np.ndarray]
    is_share: bool = False
    is_less_better: bool = False


@dataclass(frozen=True, slots=True)
class _PairedRows:
    """What each picture contributes to the sums of a figure.

    Attributes:
        pictures: (pictures, columns) int.
        recordings: (recordings, columns + 1) int, the sums of the pictures of each recording, and their number.
        samples: The number of independent samples that the pictures are worth.
    """

    pictures: np.ndarray
    recordings: np.ndarray
    samples: float

    @classmethod
    def add_up(cls, rows: np.ndarray, recordings: np.ndarray) -> "_PairedRows":
        """Add up (pictures, columns) contributions by the recording of each picture."""
        counted = np.concatenate([rows, np.ones((len(rows), 1))], axis=1).astype(np.int64)
        _, indexes = np.unique(recordings, return_inverse=True)
        sums = np.zeros((int(indexes.max(initial=-1)) + 1, counted.shape[1]), np.int64)
        np.add.at(sums, indexes, counted)
        return cls(counted[:, :-1], sums, count_effective(indexes.tolist()))


def compare_models(evaluation: Evaluation, seed: int = 0) -> Comparison:
    """Compare the evaluated model with its baseline.

    Args:
        evaluation: An evaluation with a baseline.
        seed: The seed of the bootstrap.

    Raises:
        ValueError: The evaluation has no baseline.
    """
    new, old = evaluation.model, evaluation.baseline
    if old is None:
        raise ValueError("the evaluation has no baseline")
    random = np.random.default_rng(seed)
    recordings = np.array(evaluation.recordings)
    content = new.predictions.has_content
    is_right = np.stack([new.predictions.is_right, old.predictions.is_right], axis=1)
    accuracy = _Measure("accuracy", _compute_share, is_share=True)
    measures = [_compare(accuracy, _PairedRows.add_up(is_right[content], recordings[content]), random)]
    own = new.predictions.is_own_label.sum(axis=1)[:, np.newaxis]
    counts = np.concatenate([_count_given(new), _count_given(old), own], axis=1)
    measures.append(
        _compare(_Measure("F1 at the threshold", _compute_f1), _PairedRows.add_up(counts, recordings), random)
    )
    if new.background is not None and old.background is not None:
        false = np.stack([_count_false(new, new.background), _count_false(old, old.background)], axis=1)
        rows = _PairedRows.add_up(false, np.array(evaluation.background_recordings))
        measures.append(_compare(_Measure(FALSE_LABELS, _compute_rate, is_less_better=True), rows, random))
    labels = [_compare(measure, rows, random) for measure, rows in _list_labels(evaluation, new, old, is_right)]
    results = {each.result for each in measures}
    order = (ComparisonResult.WORSE, ComparisonResult.BETTER, ComparisonResult.TOO_FEW)
    result = next((each for each in order if each in results), ComparisonResult.SAME)
    return Comparison(tuple(measures), tuple(labels), result)


def _list_labels(
    evaluation: Evaluation, new: ModelEvaluation, old: ModelEvaluation, is_right: np.ndarray
) -> Iterator[tuple[_Measure, _PairedRows]]:
    recordings = np.array(evaluation.recordings)
    if new.predictions.several is not None:
        for label in sorted({label for example in evaluation.pictures for label in example.labels}):
            own = np.array([label in example.labels for example in evaluation.pictures], np.intp)[:, np.newaxis]
            counts = np.concatenate([_count_label(new, label), _count_label(old, label), own], axis=1)
            yield _Measure(label, _compute_f1), _PairedRows.add_up(counts, recordings)
        return
    content = new.predictions.has_content
    targets = np.array([str(example.label) for example in evaluation.pictures])
    for label in np.unique(targets[content]).tolist():
        is_own = content & (targets == label)
        yield _Measure(label, _compute_share, is_share=True), _PairedRows.add_up(is_right[is_own], recordings[is_own])


def _compare(measure: _Measure, rows: _PairedRows, random: np.random.Generator) -> Difference:
    """Compute one figure of both models, the interval of its difference, and the result."""
    pictures = len(rows.pictures)
    if not pictures:
        return Difference(measure.name, None, None, None, None, ComparisonResult.TOO_FEW, 0, 0.0)
    new, old = measure.compute(rows.pictures.sum(axis=0)[np.newaxis], np.array([pictures]))[0].tolist()
    low, high = _find_interval(measure, rows, random) or (None, None)
    found = Difference(measure.name, new, old, low, high, ComparisonResult.SAME, pictures, rows.samples)
    is_one_sided = new != old if low is None or high is None else low > 0 or high < 0
    if is_one_sided and _is_beyond_chance(measure, rows):
        is_better = (new > old) != measure.is_less_better
        return dataclasses.replace(found, result=ComparisonResult.BETTER if is_better else ComparisonResult.WORSE)
    return (
        found if found.possible_loss <= MATTERING_LOSS else dataclasses.replace(found, result=ComparisonResult.TOO_FEW)
    )


def _find_interval(measure: _Measure, rows: _PairedRows, random: np.random.Generator) -> tuple[float, float] | None:
    """Return the 95 % interval of new − old; None if the samples are too few, or all draws are equal."""
    if rows.samples < MIN_DIFFERENT_PICTURES:
        return None
    if measure.is_share:
        only_new, only_old = _count_different(rows.pictures)
        scale = rows.samples / len(rows.pictures)
        return compute_paired_interval(only_new * scale, only_old * scale, rows.samples)
    # Recordings with equal sums are drawn together, because the numbers of draws per kind are exactly multinomial.
    kinds, frequencies = np.unique(rows.recordings, axis=0, return_counts=True)
    draws = random.multinomial(len(rows.recordings), frequencies / len(rows.recordings), BOOTSTRAP_DRAWS) @ kinds
    resampled = measure.compute(draws[:, :-1], draws[:, -1])
    differences = resampled[:, 0] - resampled[:, 1]
    if np.ptp(differences) == 0:
        return None
    low, high = np.quantile(differences, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2]).tolist()
    return low, high


def _is_beyond_chance(measure: _Measure, rows: _PairedRows) -> bool:
    """Return whether the exact test excludes chance, with each recording as one sample."""
    if measure.is_share:
        return passes_mcnemar(*_count_different(rows.recordings))
    own = rows.pictures.shape[1] // 2
    is_different = (rows.recordings[:, :own] != rows.recordings[:, own : 2 * own]).any(axis=1)
    return int(is_different.sum()) >= MIN_DIFFERENT_PICTURES


def _count_different(rows: np.ndarray) -> tuple[int, int]:
    """Return in how many rows the new model is right more often than the old one, and less often."""
    return int((rows[:, 0] > rows[:, 1]).sum()), int((rows[:, 0] < rows[:, 1]).sum())


def _compute_share(sums: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    return np.asarray(sums / pictures[:, np.newaxis])


def _compute_rate(sums: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    return np.asarray(1000 * sums / pictures[:, np.newaxis])


def _compute_f1(sums: np.ndarray, _: np.ndarray) -> np.ndarray:
    """Build columns: given and correct labels of the new model, the same of the old model, pictures with content."""
    total = sums[:, [0, 2]] + sums[:, [4]]
    return np.where(total > 0, 2 * sums[:, [1, 3]] / np.maximum(total, 1), 0.0)


def _count_given(model: ModelEvaluation) -> np.ndarray:
    """Return (pictures, 2): how many labels each picture was given, and how many of them are correct."""
    is_given = apply_thresholds(model.predictions, model.thresholds)
    return np.stack([is_given.sum(axis=1), (is_given & model.predictions.is_own_label).sum(axis=1)], axis=1)


def _count_label(model: ModelEvaluation, label: str) -> np.ndarray:
    """Return (pictures, 2): whether each picture was given a label, and whether that is correct."""
    index = model.predictions.labels.index(label)
    is_given = apply_thresholds(model.predictions, model.thresholds)[:, index]
    return np.stack([is_given, is_given & model.predictions.is_own_label[:, index]], axis=1).astype(np.intp)


def _count_false(model: ModelEvaluation, background: Predictions) -> np.ndarray:
    return np.asarray(apply_thresholds(background, model.thresholds).sum(axis=1))
