"""State the differences between a new model and the current one, and what follows from them, for people and programs.

compare.py computes them and defines the results.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from appliance.workshop.evaluation.intervals import describe_recordings
from appliance.workshop.evaluation.paired import compute_least_interval

MIN_DIFFERENT_PICTURES = 6
MATTERING_LOSS = 0.1
"""A loss that always matters: of 10 points; for false labels, of 100 in 1,000 background pictures."""

FALSE_LABELS = "false labels per 1,000 background pictures"
"""The name of the only measure that is a rate rather than a share."""


class ComparisonResult(StrEnum):
    """The result for the new model."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    TOO_FEW = "too_few"

    @property
    def answer(self) -> str:
        """The result in words."""
        return {"same": "no difference proven", "too_few": "too few to tell"}.get(self.value, self.value)

    @property
    def short(self) -> str:
        """The result in one or two words, for a column of a table."""
        return "too few" if self == ComparisonResult.TOO_FEW else self.value


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure for both models.

    Attributes:
        name: The measure or the label.
        new, old: The figures; None if a model has none.
        low, high: The interval of new − old; None if the pictures cannot give it.
        result: The result for this figure alone.
        pictures: The number of compared pictures.
        samples: The number of independent samples that they are worth; fewer, if several are of one recording.
    """

    name: str
    new: float | None
    old: float | None
    low: float | None
    high: float | None
    result: ComparisonResult
    pictures: int
    samples: float

    @property
    def difference(self) -> float:
        """New − old; a missing figure counts as 0."""
        return (self.new or 0.0) - (self.old or 0.0)

    @property
    def is_rate(self) -> bool:
        """Whether the figure is a rate per 1,000 pictures rather than a share."""
        return self.name == FALSE_LABELS

    @property
    def possible_loss(self) -> float:
        """The greatest loss in the interval, as a share of the pictures; 1 if the pictures exclude no loss."""
        if self.low is None or self.high is None:
            # If no picture differs, a bootstrap has no width, but the number of pictures limits the difference.
            is_equal = self.new == self.old and self.samples >= MIN_DIFFERENT_PICTURES
            return compute_least_interval(self.samples) if is_equal else 1.0
        return self.high / 1000 if self.is_rate else -self.low


@dataclass(frozen=True, slots=True)
class LossCheck:
    """Whether the new model is not worse by more than is allowed: non-inferiority, by the end of the interval.

    Attributes:
        max_loss: The allowed loss, as a share.
        exceeded: The measures that are proven worse, and may be so by more than is allowed.
        unknown: The other measures that may be worse by more than is allowed.
    """

    max_loss: float
    exceeded: tuple[Difference, ...]
    unknown: tuple[Difference, ...]

    @property
    def summary(self) -> str:
        """The result as a sentence."""
        points = f"{100 * self.max_loss:g} points"
        if self.exceeded:
            return f"The new model is worse, possibly by more than {points}: {_describe_losses(self.exceeded)}."
        if self.unknown:
            return f"Too few to tell whether it is worse by more than {points}: {_describe_losses(self.unknown)}."
        return f"The new model is not worse by more than {points} in anything."


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
        too_few = [each for each in self.measures if each.result == ComparisonResult.TOO_FEW]
        if worse:
            return f"The new model is worse in {worse}{', though better in ' + better if better else ''}."
        if better:
            rest = f" Too few to tell about the rest: {_describe_losses(too_few)}." if too_few else ""
            return f"The new model is better in {better}, and not significantly worse in anything.{rest}"
        if too_few:
            needed = max(_estimate_pictures(each) for each in too_few)
            return f"Too few to tell: {_describe_losses(too_few)}; evaluate on about {needed:,} pictures or more."
        return f"No difference is proven; the pictures exclude a loss of more than {100 * MATTERING_LOSS:g} points."

    def check_loss(self, max_loss: float) -> LossCheck:
        """Check whether the new model is not worse by more than a share of the pictures (0.02 is 2 points)."""
        beyond = [each for each in self.measures if each.possible_loss > max_loss]
        exceeded = tuple(each for each in beyond if each.result == ComparisonResult.WORSE)
        return LossCheck(max_loss, exceeded, tuple(each for each in beyond if each not in exceeded))


def _describe_losses(measures: Sequence[Difference]) -> str:
    return _join_names([_describe_loss(each) for each in measures])


def _describe_loss(each: Difference) -> str:
    recordings = describe_recordings(each.samples, each.pictures)
    pictures = f"{each.pictures} picture{'' if each.pictures == 1 else 's'}{recordings}"
    name = "false labels" if each.is_rate else each.name
    if each.possible_loss >= 1:
        return f"{pictures} cannot show a difference in {name}"
    unit = f"{1000 * each.possible_loss:.0f} per 1,000" if each.is_rate else f"{100 * each.possible_loss:.1f} points"
    return f"{pictures} may hide a loss of {unit} in {name}"


def _estimate_pictures(each: Difference) -> int:
    """Return, rounded up, how many pictures would exclude a loss of MATTERING_LOSS, if the models were equal."""
    loss = each.possible_loss
    if loss >= 1 or not each.samples:
        return 50
    # The width of an interval falls with the square root of the number of pictures.
    needed = each.pictures * max(1.5, (loss / MATTERING_LOSS) ** 2)
    step = 10 if needed < 200 else 100
    return math.ceil(needed / step) * step


def _join_names(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
