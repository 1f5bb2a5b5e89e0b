"""Wilson's interval and bound, and how often they contain the true share."""

import numpy as np
import pytest

from appliance.workshop.evaluation.intervals import MeasuredShare, count_effective, count_required, floor_percent


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # R: prop.test(count, total, correct = FALSE), which is Wilson's interval.
    [(57, 60, 0.8630, 0.9829), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 2, 0.0945, 0.9055)],
)
def test_interval_equals_published_values(count, total, low, high):
    share = MeasuredShare.measure(count, total)
    assert (share.low, share.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_empty_sample_has_no_interval():
    share = MeasuredShare.measure(0, 0)
    assert share.as_dict() == {"value": None, "low": None, "high": None}
    assert share.bound == 0


def test_bound_of_all_right_needs_32_samples_for_95_percent():
    assert count_required(0.95) == 32
    assert MeasuredShare.measure(32, 32).bound >= 0.95 > MeasuredShare.measure(31, 31).bound


def test_interval_contains_the_true_share_as_often_as_promised():
    random = np.random.default_rng(7)
    for total, share in ((10, 0.9), (30, 0.5), (60, 0.95), (200, 0.98)):
        counts = random.binomial(total, share, 4000)
        shares = {count: MeasuredShare.measure(count, total) for count in set(counts.tolist())}
        covered = np.mean([shares[count].low <= share <= shares[count].high for count in counts.tolist()])
        promised = np.mean([shares[count].bound <= share for count in counts.tolist()])
        assert covered > 0.92
        assert promised > 0.86


def test_interval_by_recording_contains_the_true_share():
    # 12 recordings of 10 pictures, and all pictures of a recording are right or wrong together.
    random = np.random.default_rng(7)
    recordings = random.binomial(1, 0.8, (2000, 12)).sum(axis=1)
    effective = count_effective(np.repeat(np.arange(12), 10).tolist()) / 120
    by_recording = [MeasuredShare.measure(10 * count, 120, effective) for count in recordings.tolist()]
    by_picture = [MeasuredShare.measure(10 * count, 120) for count in recordings.tolist()]
    assert np.mean([each.low <= 0.8 <= each.high for each in by_recording]) > 0.92
    assert np.mean([each.low <= 0.8 <= each.high for each in by_picture]) < 0.7


def test_effective_samples_are_those_of_equal_recordings():
    assert count_effective("abcd") == 4
    assert count_effective("aabb") == 2
    assert count_effective([]) == 0


def test_promise_is_rounded_down():
    assert (floor_percent(0.9599), floor_percent(0.29), floor_percent(1.0)) == (95, 29, 100)
