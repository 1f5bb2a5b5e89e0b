"""The interval of the difference of two shares on the same pictures, and McNemar's exact test."""

import numpy as np
import pytest

from appliance.workshop.evaluation.paired import compute_least_interval, compute_paired_interval, passes_mcnemar


def test_interval_equals_published_values():
    # Newcombe, Statistics in Medicine 17, 1998, p. 2635: 36 pairs right for both, 12 and 2 for one of them; Tango's.
    assert compute_paired_interval(12, 2, 50) == (pytest.approx(0.0611, abs=1e-4), pytest.approx(0.3447, abs=1e-4))


def test_interval_of_equal_models_depends_on_the_number_of_pictures():
    for total in (20, 60, 600):
        low, high = compute_paired_interval(0, 0, total)
        assert -low == pytest.approx(high) == pytest.approx(compute_least_interval(total))
    assert compute_paired_interval(0, 0, 0) is None


def test_interval_stays_within_the_possible():
    for only_new, only_old in ((5, 0), (0, 5), (1, 0)):
        low, high = compute_paired_interval(only_new, only_old, only_new + only_old)
        assert -1 <= low < high <= 1
        assert compute_paired_interval(only_old, only_new, only_new + only_old) == (-high, -low)


@pytest.mark.parametrize(("total", "won", "lost"), [(30, 0.1, 0.1), (60, 0.05, 0.02), (200, 0.03, 0.06)])
def test_interval_contains_the_true_difference_as_often_as_promised(total, won, lost):
    drawn = np.random.default_rng(1).multinomial(total, [won, lost, 1 - won - lost], 1000)
    kinds, counts = np.unique(drawn[:, :2], axis=0, return_counts=True)
    covered = 0
    for (only_new, only_old), count in zip(kinds.tolist(), counts.tolist(), strict=True):
        low, high = compute_paired_interval(only_new, only_old, total)
        covered += count * (low <= won - lost <= high)
    assert covered / 1000 > 0.92


@pytest.mark.parametrize(
    ("won", "lost", "passes"), [(0, 0, False), (5, 0, False), (6, 0, True), (8, 1, True), (7, 1, False)]
)
def test_mcnemars_test_needs_six_different_pictures(won, lost, passes):
    assert passes_mcnemar(won, lost) is passes_mcnemar(lost, won) is passes
