"""State how certain a measured share is: Wilson's score interval, and its one-sided lower bound.

A share of 57 right labels out of 60 is 95 %, but the share on all pictures of this kind may be anything that gives 57
of 60 with a fair chance. Wilson's interval (E. B. Wilson, "Probable inference, the law of succession, and statistical
inference", Journal of the American Statistical Association 22, 1927, p. 209–212) contains the true share in about 95 %
of samples, for few pictures and for shares near 0 and 1 too, where the interval by the normal distribution fails
(Brown, Cai and DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16, 2001):

    (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n)

with z = 1.96 for the two-sided interval at 95 %, and z = 1.2816 for the one-sided bound at 90 %.

Pictures of one recording are alike, so ten of them are not ten samples. `count_effective` states how many independent
pictures a sample is worth if pictures of one group agree completely: (Σm)² / Σm², with the sizes m of the groups (the
effective sample size of Kish, "Survey sampling", 1965, at an intraclass correlation of 1). Intervals with it are wide
rather than narrow.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

# The quantiles .975 and .9 of the standard normal distribution.
TWO_SIDED_95, _ONE_SIDED_90 = 1.959963984540054, 1.2815515655446004


@dataclass(frozen=True, slots=True)
class MeasuredShare:
    """A share of a sample, with the interval of the share that it stands for.

    Attributes:
        count: How many of the sample have the property.
        total: The size of the sample.
        effective: The number of independent samples that the sample is worth (see count_effective).
    """

    count: int
    total: int
    effective: float

    @classmethod
    def measure(cls, count: int, total: int, effective_share: float = 1.0) -> "MeasuredShare":
        """Measure a share.

        Args:
            count: How many of the sample have the property.
            total: The size of the sample.
            effective_share: The independent samples for each sample, 0–1; 1 if no groups are known.
        """
        return cls(count, total, total * effective_share)

    @property
    def value(self) -> float | None:
        """The share in the sample; None for an empty one."""
        return self.count / self.total if self.total else None

    @property
    def low(self) -> float | None:
        """The lower end of the two-sided 95 % interval; None for an empty sample."""
        return None if self.value is None else _compute_end(self.value, self.effective, -TWO_SIDED_95)

    @property
    def high(self) -> float | None:
        """The upper end of the two-sided 95 % interval; None for an empty sample."""
        return None if self.value is None else _compute_end(self.value, self.effective, TWO_SIDED_95)

    @property
    def bound(self) -> float:
        """The one-sided lower bound at 90 %; 0 for an empty sample, about which nothing is known."""
        return 0.0 if self.value is None else _compute_end(self.value, self.effective, -_ONE_SIDED_90)

    def as_dict(self) -> dict[str, float | None]:
        """Return value, low, and high, as in every JSON output; null for an empty sample."""
        figures = {"value": self.value, "low": self.low, "high": self.high}
        return {key: None if figure is None else round(figure, 6) for key, figure in figures.items()}


def count_required(share: float) -> int:
    """Return how many samples, all with the property, are needed for a lower bound at 90 % of at least `share` < 1."""
    return math.ceil(share * _ONE_SIDED_90**2 / (1 - share) - 1e-9)


def count_effective(groups: Iterable[Hashable]) -> float:
    """Return the number of independent samples that samples with these groups are worth; 0 for none."""
    sizes = Counter(groups).values()
    total = sum(sizes)
    return total**2 / sum(size**2 for size in sizes) if total else 0.0


def share_effective(groups: Sequence[Hashable]) -> float:
    """Return the independent samples for each sample with these groups, 0–1; 1 for none."""
    return count_effective(groups) / len(groups) if len(groups) else 1.0


def describe_recordings(effective: float, total: int) -> str:
    """Return " of about 3 recordings" to follow a number of pictures; "" if all of them are independent."""
    if effective >= total - 0.5:
        return ""
    return f" of about {effective:.0f} recording{'' if round(effective) == 1 else 's'}"


def floor_percent(share: float) -> int:
    """Return a share as whole per cent, rounded down, so that a promise is kept."""
    return math.floor(100 * share + 1e-9)


def _compute_end(share: float, total: float, quantile: float) -> float:
    """Return the end of Wilson's interval on the side of the quantile's sign, within 0–1."""
    square = quantile**2 / total
    center = share + square / 2
    half = math.copysign(math.sqrt(square * (share * (1 - share) + square / 4)), quantile)
    return min(1.0, max(0.0, round((center + half) / (1 + square), 12)))
