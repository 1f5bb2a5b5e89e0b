"""Compare two shares that were measured on the same pictures: the interval of their difference, and an exact test.

The interval is Tango's score interval for paired shares (T. Tango, "Equivalence test and confidence interval for the
difference in proportions for the paired-sample design", Statistics in Medicine 17, 1998, p. 891–908). Unlike a
bootstrap, it is sensible for few pictures, and if no picture differs: then the difference may still be up to
z² / (n + z²). The exact test is McNemar's, two-sided (Psychometrika 12, 1947): under the hypothesis that each picture
that only one of the models labels correctly is a fair coin toss.
"""

import math

from appliance.workshop.evaluation.intervals import TWO_SIDED_95

_SIGNIFICANCE = 0.05
_HALVINGS = 60


def compute_paired_interval(only_new: float, only_old: float, total: float) -> tuple[float, float] | None:
    """Return the 95 % interval of the new share minus the old one; None for no pictures.

    Args:
        only_new: How many pictures only the new model labels correctly.
        only_old: How many pictures only the old model labels correctly.
        total: How many pictures both labeled. All three may be fractions, for an effective number of pictures.
    """
    if total <= 0:
        return None
    difference = (only_new - only_old) / total
    low = _find_end(only_new, only_old, total, difference, -1.0)
    high = _find_end(only_new, only_old, total, difference, 1.0)
    return low, high


def compute_least_interval(total: float) -> float:
    """Return how large a difference of shares may be although no picture differs: half of the interval; 1 for none."""
    return TWO_SIDED_95**2 / (total + TWO_SIDED_95**2)


def passes_mcnemar(only_new: int, only_old: int) -> bool:
    """Return whether McNemar's exact test excludes chance; it never does if fewer than 6 pictures differ."""
    different = only_new + only_old
    tail = sum(math.comb(different, count) for count in range(min(only_new, only_old) + 1))
    return bool(2 * tail / 2**different < _SIGNIFICANCE)


def _find_end(only_new: float, only_old: float, total: float, inside: float, outside: float) -> float:
    """Return the difference between `inside` and `outside` at which the score statistic is z, by bisection."""
    if _measure_score(only_new, only_old, total, outside) <= TWO_SIDED_95:
        return outside
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if _measure_score(only_new, only_old, total, middle) <= TWO_SIDED_95:
            inside = middle
        else:
            outside = middle
    return round((inside + outside) / 2, 12)


def _measure_score(only_new: float, only_old: float, total: float, difference: float) -> float:
    """Return the absolute score statistic of a supposed difference, with its most likely share of `only_old`."""
    b = -only_new - only_old + (2 * total - only_new + only_old) * difference
    c = -only_old * difference * (1 - difference)
    share = (math.sqrt(max(0.0, b * b - 8 * total * c)) - b) / (4 * total)
    variance = total * (2 * share + difference * (1 - difference))
    distance = abs(only_new - only_old - total * difference)
    if variance <= 1e-12:
        return 0.0 if distance <= 1e-9 else math.inf
    return distance / math.sqrt(variance)
