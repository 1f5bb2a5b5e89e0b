"""Thresholds of independent labels: each label has the one that its own scores need."""

import numpy as np

from appliance.workshop.training.multi_label.thresholds import choose_thresholds

COUNT = 400


def draw(*limits):
    """Return scores and labels such that each label is right above its limit, and wrong below it."""
    scores = np.tile(np.linspace(0, 1, COUNT)[:, np.newaxis], (1, len(limits)))
    return scores, scores >= np.array(limits)


def test_label_that_needs_a_higher_threshold_gets_it():
    scores, membership = draw(0.6, 0.9)
    chosen = choose_thresholds(("low", "high"), scores, membership, range(COUNT))
    thresholds = {each.label: each.threshold for each in chosen.figures}
    assert 0.55 <= thresholds["low"] <= 0.62 and 0.88 <= thresholds["high"] <= 0.92
    assert all((each.precision or 0) >= 0.95 for each in chosen.figures)
    assert chosen.common.point.recall_share.total == int(membership.sum())
    assert chosen.common.is_reached
    assert chosen.own == {label: value for label, value in thresholds.items() if value != chosen.common.threshold}


def test_label_without_pictures_gets_the_common_threshold():
    scores, membership = draw(0.7, 2.0)
    chosen = choose_thresholds(("some", "none"), scores, membership, range(COUNT))
    assert "none" not in chosen.own
    assert (chosen.figures[1].pictures, chosen.figures[1].threshold) == (0, chosen.common.threshold)


def test_few_recordings_raise_the_threshold():
    """Wrong labels count more if all pictures together are only a few samples."""
    scores, membership = draw(0.6)
    membership[::20] = False
    many = choose_thresholds(("a",), scores, membership, range(COUNT)).figures[0].threshold
    few = choose_thresholds(("a",), scores, membership, [number // 8 for number in range(COUNT)]).figures[0].threshold
    assert few >= many
