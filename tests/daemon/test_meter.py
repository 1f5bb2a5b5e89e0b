"""Test frame counts and inference times."""

import pytest

from appliance.daemon.meter import Meter, find_percentile


def test_meter_counts_and_sorts():
    meter = Meter(window=2)
    for inference_ms in (5.0, 3.0, 1.0):
        meter.record_frame(inference_ms)
    assert meter.frames == 3
    assert meter.inference_times_ms == [1.0, 3.0]
    assert meter.take_fps() > 0
    assert meter.take_fps() == 0


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (50, 3), (95, 5), (100, 5)])
def test_percentile_is_the_nearest_rank(percent, expected):
    assert find_percentile([1, 2, 3, 4, 5], percent) == expected


def test_percentile_of_nothing_is_none():
    assert find_percentile([], 50) is None
