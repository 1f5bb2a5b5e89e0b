"""The rejection is chosen by what it costs, and by what it lets through."""

import dataclasses

import numpy as np
import pytest

from appliance.workshop.training.rejection import (
    GenuinePictures,
    RejectLevel,
    UnseenScores,
    choose_rejection,
    measure_excess,
)

COUNT = 400


def sharp(targets: np.ndarray, own: float = 0.9) -> np.ndarray:
    scores = np.full((len(targets), 2), 1 - own)
    scores[np.arange(len(targets)), targets] = own
    return scores


def make_own() -> tuple[UnseenScores, GenuinePictures]:
    targets = np.arange(COUNT) % 2
    distances = np.random.default_rng(0).permutation(np.linspace(0, 10, COUNT))
    scores = sharp(targets)
    return UnseenScores(scores, scores, np.zeros(COUNT, bool), distances), GenuinePictures(
        targets, None, list(range(COUNT))
    )


def make_others(distance: float, share_known: float = 0.0) -> UnseenScores:
    scores = sharp(np.zeros(100, int))
    is_other = np.arange(100) < 100 * share_known
    learned = np.where(is_other[:, np.newaxis], 0.01, scores)
    return UnseenScores(learned, scores, is_other, np.full(100, distance))


def test_loose_limit_is_used_if_it_lets_nothing_through():
    own, pictures = make_own()
    chosen = choose_rejection(own, make_others(50), pictures, RejectLevel.STANDARD)
    assert chosen.cost.lost <= 0.01
    assert chosen.cost.passed == 0
    assert chosen.cost.passed_without == 1
    assert chosen.limits is not None and chosen.limits.min() > 9.85


def test_cheap_limit_is_used_even_if_the_class_rejects_all():
    own, pictures = make_own()
    chosen = choose_rejection(own, make_others(0, 1.0), pictures, RejectLevel.STANDARD)
    assert chosen.limits is not None
    assert 0.005 < chosen.cost.lost <= 0.01


# New pictures lose more than the unseen ones, so these may lose three quarters of what the level permits.
@pytest.mark.parametrize(("level", "lost"), [("low", 0.0075), ("standard", 0.0225), ("high", 0.075)])
def test_cost_stays_within_the_level(level, lost):
    own, pictures = make_own()
    # No limit within the cost rejects these.
    others = dataclasses.replace(make_others(0), distances=np.linspace(0, 10, 100))
    cost = choose_rejection(own, others, pictures, RejectLevel(level)).cost
    assert cost.lost <= lost
    assert lost < 0.02 or cost.lost > lost / 2
    assert cost.passed is not None and cost.passed > 1 - 1.5 * lost


def test_strictest_limit_within_the_cost_is_used_without_a_bank():
    own, pictures = make_own()
    cost = choose_rejection(own, None, pictures, RejectLevel.STANDARD).cost
    assert 0.015 < cost.lost <= 0.0225
    assert cost.passed is None
    assert "not known" in cost.describe()


def test_level_none_rejects_nothing():
    own, pictures = make_own()
    chosen = choose_rejection(own, make_others(50), pictures, RejectLevel.NONE)
    assert chosen.limits is None
    np.testing.assert_array_equal(chosen.scores, own.plain)


def test_sentence_states_both_recalls_and_both_shares():
    own, pictures = make_own()
    text = choose_rejection(own, make_others(50), pictures, RejectLevel.STANDARD).cost.describe()
    assert "recall would be 1.00; with it 1.00" in text
    assert "0.0 % instead of 100 %" in text


def test_pictures_that_the_class_takes_count_as_lost():
    own, pictures = make_own()
    taken = dataclasses.replace(own, is_other=np.arange(COUNT) < 8)
    assert choose_rejection(taken, make_others(0, 1.0), pictures, RejectLevel.STANDARD).cost.lost == pytest.approx(0.02)


def test_class_of_the_bank_takes_no_more_than_the_level_permits():
    targets = np.arange(200) % 2
    logits = np.zeros((200, 3))
    logits[np.arange(200), targets] = 2
    logits[:20, 2] = np.linspace(2.1, 4, 20)
    for level in ("low", "standard", "high"):
        excess = measure_excess(logits, 2, targets, RejectLevel(level))
        lost = (logits[:, 2] - excess >= 2).sum()
        assert lost <= RejectLevel(level).max_cost * 200 < lost + 1
    assert measure_excess(logits[:, :2], 2, targets, RejectLevel.STANDARD) == 0
    assert measure_excess(logits[20:], 2, targets[20:], RejectLevel.STANDARD) == 0


def test_one_lost_picture_of_few_does_not_end_the_rejection():
    targets = np.arange(20) % 2
    logits = np.where(np.arange(3) == targets[:, np.newaxis], 2.0, 0.0)
    logits[0, 2] = 30
    assert measure_excess(logits, 2, targets, RejectLevel.STANDARD) == 0
    scores, is_other = sharp(targets), np.arange(20) == 0
    own = UnseenScores(scores, scores, is_other, np.linspace(0, 1, 20))
    cost = choose_rejection(own, make_others(50), GenuinePictures(targets, None, range(20)), RejectLevel.LOW).cost
    assert cost.lost == pytest.approx(0.05)
    assert cost.passed == 0


def test_threshold_aims_at_the_precision_of_the_pictures():
    own, pictures = make_own()
    few = dataclasses.replace(pictures, precision=0.9)
    choices = [choose_rejection(own, None, each, RejectLevel.LOW).choice for each in (pictures, few)]
    assert [choice.target for choice in choices] == [0.95, 0.9]
    assert ["the aim is 95 %" in choice.promise for choice in choices] == [False, True]
