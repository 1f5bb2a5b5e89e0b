"""Which of two models is better, with an interval: before a new one is published, held against the one that runs.

Both labeled the same pictures, so they are compared picture by picture (a paired bootstrap): pictures are drawn with
replacement as often as there are some, and the difference is taken anew, 10,000 times; the interval holds the middle
95 % of these differences. Two measures decide: the accuracy of the best label, which no threshold touches, and F1 at
the thresholds that each bundle carries, which is what a device does once the model is pushed. With background pictures
a third does: false labels per 1,000 of them. A difference counts where its interval lies wholly on one side of zero and
an exact test does not call it chance either: of few pictures, or where all that differ fall to one side, no draw is
without the difference, so the interval alone would find a single picture proof. For accuracy the test is McNemar's, two-sided
(Psychometrika 12, 1947): p < 0.05 of a fair coin for each picture that only one of the two has right. The counts of the
other measures have no such coin, so at least 6 pictures must differ, the fewest that McNemar's test could take for proof.
The new model is worse where any of them is worse; it is better where some are and none is worse.

Label by label the share of pictures whose best label is right is compared in the same way; those do not decide.
The same seed gives the same intervals.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from appliance.workshop.evaluation.evaluate import Evaluation, ModelEvaluation
from appliance.workshop.evaluation.metrics import passing

REPEATS = 10_000
LEVEL = 0.95
LEAST_DIFFERENT = 6

Verdict = Literal["better", "worse", "same"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both models.

    Attributes:
        name: What it is of.
        new, old: The figures; None where a model has none.
        low, high: The interval of new − old.
        verdict: For the new one; same where the interval holds zero, or an exact test says that it may be chance.
        pictures: On how many it rests.
    """

    name: str
    new: float | None
    old: float | None
    low: float
    high: float
    verdict: Verdict
    pictures: int

    @property
    def difference(self) -> float:
        """New − old; a figure that is not there counts as 0."""
        return (self.new or 0.0) - (self.old or 0.0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The measures that decide, the labels, and the verdict on the new model."""

    measures: tuple[Difference, ...]
    labels: tuple[Difference, ...]
    verdict: Verdict

    @property
    def says(self) -> str:
        """The verdict in a sentence."""
        worse, better = (
            _listed([one.name for one in self.measures if one.verdict == verdict]) for verdict in ("worse", "better")
        )
        if worse:
            return f"The new model is worse in {worse}{', though better in ' + better if better else ''}."
        if better:
            return f"The new model is better in {better}, and worse in nothing that these pictures can show."
        return "These pictures show no difference between the two that could not be chance."


def compare(evaluation: Evaluation, seed: int = 0) -> Comparison:
    """Compares the evaluated model with the one it was evaluated against.

    Args:
        evaluation: With `against`.
        seed: Of the bootstrap.
    """
    new, old = evaluation.subject, evaluation.against
    random = np.random.default_rng(seed)
    content = new.judged.content
    right = np.stack([new.judged.right, old.judged.right], axis=1)[content]
    measures = [_measure("accuracy", right, _mean, _is_beyond_a_coin, random)]
    counts = np.concatenate([_counts(new), _counts(old), content[:, np.newaxis]], axis=1)
    measures.append(_measure("F1 at the threshold", counts, _f1, _differ_enough, random))
    if new.background is not None and old.background is not None:
        false = np.stack([_false(new), _false(old)], axis=1)
        name = "false labels per 1,000 background pictures"
        measures.append(_measure(name, false, _per_thousand, _differ_enough, random, less_is_better=True))
    shown = np.array([example.label for example in evaluation.pictures])[content]
    labels = [
        _measure(str(label), right[shown == label], _mean, _is_beyond_a_coin, random) for label in np.unique(shown)
    ]
    verdicts = {one.verdict for one in measures}
    verdict = "worse" if "worse" in verdicts else "better" if "better" in verdicts else "same"
    return Comparison(tuple(measures), tuple(labels), verdict)


def _measure(
    name: str, rows: np.ndarray, figures: Callable[[np.ndarray, np.ndarray], np.ndarray],
    is_beyond_chance: Callable[[np.ndarray], bool], random: np.random.Generator, less_is_better: bool = False,
) -> Difference:  # fmt: skip
    """One measure of both models, and the interval of its difference.

    Args:
        name: For people.
        rows: (pictures, columns): what each picture adds to the counts.
        figures: (…, columns) sums and (…) numbers of pictures → (…, 2) the measure of the new and of the old.
        is_beyond_chance: The exact test, on the rows.
        random: Where the draws come from.
        less_is_better: As with false labels.
    """
    pictures = len(rows)
    if not pictures:
        return Difference(name, None, None, 0.0, 0.0, "same", 0)
    # Pictures that add the same are drawn together: how often each kind is drawn is multinomial, and that is exact.
    kinds, often = np.unique(rows.astype(np.int64), axis=0, return_counts=True)
    drawn = random.multinomial(pictures, often / pictures, REPEATS)
    new, old = figures(rows.sum(axis=0, dtype=np.int64)[np.newaxis], np.array(pictures))[0]
    resampled = figures(drawn @ kinds, np.array(pictures))
    low, high = np.quantile(resampled[:, 0] - resampled[:, 1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    up, down = ("worse", "better") if less_is_better else ("better", "worse")
    verdict: Verdict = up if low > 0 else down if high < 0 else "same"
    if not is_beyond_chance(rows):
        verdict = "same"
    return Difference(name, float(new), float(old), float(low), float(high), verdict, pictures)


def _is_beyond_a_coin(rows: np.ndarray) -> bool:
    """McNemar's exact test. Columns: whether the new one is right, whether the old one is."""
    only_new, only_old = int((rows[:, 0] > rows[:, 1]).sum()), int((rows[:, 0] < rows[:, 1]).sum())
    differ = only_new + only_old
    tail = sum(math.comb(differ, count) for count in range(min(only_new, only_old) + 1))
    return 2 * tail / 2**differ < 1 - LEVEL


def _differ_enough(rows: np.ndarray) -> bool:
    """Whether enough pictures add something else to the new model's columns than to the old one's, which follow them."""
    own = rows.shape[1] // 2
    return int((rows[:, :own] != rows[:, own : 2 * own]).any(axis=1).sum()) >= LEAST_DIFFERENT


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _mean(sums: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    return sums / pictures


def _per_thousand(sums: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    return 1000 * sums / pictures


def _f1(sums: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Columns: given and right of the new, given and right of the old, pictures with content."""
    total = sums[:, [0, 2]] + sums[:, [4]]
    return np.where(total > 0, 2 * sums[:, [1, 3]] / np.maximum(total, 1), 0.0)


def _counts(subject: ModelEvaluation) -> np.ndarray:
    """(pictures, 2): labels given, and right ones among them."""
    given = passing(subject.judged, subject.thresholds)
    return np.stack([given.sum(axis=1), (given & subject.judged.own).sum(axis=1)], axis=1)


def _false(subject: ModelEvaluation) -> np.ndarray:
    return passing(subject.background, subject.thresholds).sum(axis=1)
