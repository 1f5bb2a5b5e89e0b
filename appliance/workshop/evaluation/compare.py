"""Decide whether a new model is better than the current one, with confidence intervals.

Both models labeled the same pictures, so they are compared picture by picture (paired bootstrap). As many pictures as
there are in total are drawn with replacement, 10,000 times, and the difference is computed for each draw. The interval
contains the middle 95 % of these differences. Two measures decide: the accuracy of the best label, which does not
depend on a threshold, and F1 at each bundle's own thresholds, which a device will use. With background pictures, there
is a third measure: false labels per 1,000 background pictures.

A difference counts if its interval is entirely on one side of zero and an exact test also excludes chance. The interval
is not enough: if all differences go in the same direction, nearly every draw contains one, even if only a few pictures
differ. For accuracy, the exact test is McNemar's, two-sided (Psychometrika 12, 1947): p < 0.05 under the hypothesis
that each picture that only one of the models labels correctly is a fair coin toss. For the counts of the other
measures, at least 6 pictures must differ, which is the smallest number that McNemar's test can accept. The new model is
worse if any measure is worse, and better if at least one measure is better and none is worse.

For each label, the share of pictures whose best label is correct (F1, if pictures have several labels) is compared in
the same way, but does not affect the result. The same seed gives the same intervals.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from appliance.workshop.evaluation.evaluate import Evaluation, ModelEvaluation
from appliance.workshop.evaluation.metrics import Predictions, apply_thresholds

BOOTSTRAP_DRAWS = 10_000
CONFIDENCE_LEVEL = 0.95
MIN_DIFFERENT_PICTURES = 6

FALSE_LABELS = "false labels per 1,000 background pictures"
"""The name of the only measure that is a rate rather than a share."""


class ComparisonResult(StrEnum):
    """The result for the new model."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure for both models.

    Attributes:
        name: The measure or the label.
        new, old: The figures; None if a model has none.
        low, high: The interval of new − old.
        result: SAME if the interval contains zero or the exact test does not exclude chance.
        pictures: The number of compared pictures.
    """

    name: str
    new: float | None
    old: float | None
    low: float
    high: float
    result: ComparisonResult
    pictures: int

    @property
    def difference(self) -> float:
        """New − old; a missing figure counts as 0."""
        return (self.new or 0.0) - (self.old or 0.0)

    @property
    def is_rate(self) -> bool:
        """Whether the figure is a rate per 1,000 pictures rather than a share."""
        return self.name == FALSE_LABELS


@dataclass(frozen=True, slots=True)
class Comparison:
    """The measures that decide, the labels, and the result for the new model."""

    measures: tuple[Difference, ...]
    labels: tuple[Difference, ...]
    result: ComparisonResult

    @property
    def summary(self) -> str:
        """The result as a sentence."""
        worse = _join_names([each.name for each in self.measures if each.result == ComparisonResult.WORSE])
        better = _join_names([each.name for each in self.measures if each.result == ComparisonResult.BETTER])
        if worse:
            return f"The new model is worse in {worse}{', though better in ' + better if better else ''}."
        if better:
            return f"The new model is better in {better}, and not significantly worse in anything."
        return "There is no significant difference between the two models on these pictures."


@dataclass(frozen=True, slots=True)
class _Measure:
    """The computation and the test of a figure.

    Attributes:
        name: The name, for people.
        compute: (…, columns) sums and the number of pictures → (…, 2) the figures of the new and the old model.
        is_beyond_chance: The exact test, on the rows of all pictures.
        is_less_better: Whether lower is better, as for false labels.
    """

    name: str
    compute: Callable[[np.ndarray, int], np.ndarray]
    is_beyond_chance: Callable[[np.ndarray], bool]
    is_less_better: bool = False


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
    content = new.predictions.has_content
    is_right = np.stack([new.predictions.is_right, old.predictions.is_right], axis=1)[content]
    measures = [_compare(_Measure("accuracy", _compute_share, _passes_mcnemar), is_right, random)]
    own = new.predictions.is_own_label.sum(axis=1)[:, np.newaxis]
    counts = np.concatenate([_count_given(new), _count_given(old), own], axis=1)
    measures.append(_compare(_Measure("F1 at the threshold", _compute_f1, _has_enough_different), counts, random))
    if new.background is not None and old.background is not None:
        false = np.stack([_count_false(new, new.background), _count_false(old, old.background)], axis=1)
        rate = _Measure(FALSE_LABELS, _compute_rate, _has_enough_different, is_less_better=True)
        measures.append(_compare(rate, false, random))
    targets = np.array([example.label for example in evaluation.pictures])[content]
    labels = [
        _compare(_Measure(str(label), _compute_share, _passes_mcnemar), is_right[targets == label], random)
        for label in np.unique(targets)
        if new.predictions.several is None
    ]
    if new.predictions.several is not None:
        for label in sorted({label for example in evaluation.pictures for label in example.labels}):
            own = np.array([label in example.labels for example in evaluation.pictures], np.intp)[:, np.newaxis]
            counts = np.concatenate([_count_label(new, label), _count_label(old, label), own], axis=1)
            labels.append(_compare(_Measure(label, _compute_f1, _has_enough_different), counts, random))
    results = {each.result for each in measures}
    order = (ComparisonResult.WORSE, ComparisonResult.BETTER)
    result = next((each for each in order if each in results), ComparisonResult.SAME)
    return Comparison(tuple(measures), tuple(labels), result)


def _compare(measure: _Measure, rows: np.ndarray, random: np.random.Generator) -> Difference:
    """Compute one figure of both models and the interval of its difference.

    Args:
        measure: The figure.
        rows: (pictures, columns): the contribution of each picture to the sums.
        random: The source of the draws.
    """
    pictures = len(rows)
    if not pictures:
        return Difference(measure.name, None, None, 0.0, 0.0, ComparisonResult.SAME, 0)
    # Pictures with equal rows are drawn together, because the numbers of draws per kind of row are exactly multinomial.
    kinds, frequencies = np.unique(rows.astype(np.int64), axis=0, return_counts=True)
    draws = random.multinomial(pictures, frequencies / pictures, BOOTSTRAP_DRAWS)
    new, old = measure.compute(rows.sum(axis=0, dtype=np.int64)[np.newaxis], pictures)[0]
    resampled = measure.compute(draws @ kinds, pictures)
    tails = [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2]
    low, high = np.quantile(resampled[:, 0] - resampled[:, 1], tails)
    result = ComparisonResult.SAME
    if (low > 0 or high < 0) and measure.is_beyond_chance(rows):
        is_better = (low > 0) != measure.is_less_better
        result = ComparisonResult.BETTER if is_better else ComparisonResult.WORSE
    return Difference(measure.name, float(new), float(old), float(low), float(high), result, pictures)


def _passes_mcnemar(rows: np.ndarray) -> bool:
    """Return whether McNemar's exact test excludes chance. Columns: the new model is right, the old model is right."""
    only_new, only_old = int((rows[:, 0] > rows[:, 1]).sum()), int((rows[:, 0] < rows[:, 1]).sum())
    different = only_new + only_old
    tail = sum(math.comb(different, count) for count in range(min(only_new, only_old) + 1))
    return bool(2 * tail / 2**different < 1 - CONFIDENCE_LEVEL)


def _has_enough_different(rows: np.ndarray) -> bool:
    """Return whether enough pictures differ between the new model's columns and the old model's columns after them."""
    own = rows.shape[1] // 2
    return int((rows[:, :own] != rows[:, own : 2 * own]).any(axis=1).sum()) >= MIN_DIFFERENT_PICTURES


def _join_names(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _compute_share(sums: np.ndarray, pictures: int) -> np.ndarray:
    return np.asarray(sums / pictures)


def _compute_rate(sums: np.ndarray, pictures: int) -> np.ndarray:
    return np.asarray(1000 * sums / pictures)


def _compute_f1(sums: np.ndarray, pictures: int) -> np.ndarray:
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
