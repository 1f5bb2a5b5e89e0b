"""The rules that depend on the settings and the threshold."""

import pytest

from appliance.collection.rules import describe_rules, find_least_score, find_score_range
from appliance.settings.schema import CollectSettings


@pytest.mark.parametrize(
    ("settings", "threshold", "low", "high"),
    [({}, 0.3, 0.15, 0.65), ({}, 0.9, 0.45, 0.95), ({"score_min": 0.3, "score_max": 0.7}, 0.9, 0.3, 0.7),
     ({"score_max": 0.4}, 0.9, 0.4, 0.4), ({"score_min": 0.1}, 0.5, 0.1, 0.75)],
)  # fmt: skip
def test_range_follows_the_threshold_unless_it_is_set(settings, threshold, low, high):
    assert find_score_range(CollectSettings(**settings), threshold) == (pytest.approx(low), pytest.approx(high))


def test_zero_turns_the_range_off():
    low, high = find_score_range(CollectSettings(score_max=0.0), 0.5)
    assert low > high and find_least_score(CollectSettings(), 0.5) == 0.25


def test_rules_are_described():
    assert "half of the threshold" in describe_rules(CollectSettings())
    off = CollectSettings(score_max=0.0, margin_max=0.0, on_start=False, every_s=0.0)
    assert describe_rules(off).startswith("nothing")
