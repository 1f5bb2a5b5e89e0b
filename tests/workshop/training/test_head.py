"""The head: which label, and whether it is any of them."""

import numpy as np
import pytest

from appliance.workshop.evaluation.threshold import choose_validation_threshold
from appliance.workshop.training.gate import FAR_COMPONENTS, count_far_components, fit_gate
from appliance.workshop.training.head import ClassifierHead, fit_head, sqrt_features

SIZE, KINDS = 60, 3


def clouds(seed: int, each: int, kinds: int = KINDS, place: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pooled features of kinds that differ in a few directions out of many; `place` moves them elsewhere."""
    random = np.random.default_rng(seed)
    plane = np.random.default_rng(100 + place).uniform(0, 2, (6, SIZE))
    centres = np.random.default_rng(200 + place).uniform(0, 1.5, (kinds, 6))
    y = np.repeat(np.arange(kinds), each)
    x = (centres[y] + random.normal(0, 0.25, (len(y), 6))) @ plane + random.normal(0, 0.05, (len(y), SIZE))
    return np.maximum(x, 0), y


def head_of(each: int = 60, background: str | None = None) -> ClassifierHead:
    labels = ("a", "b", "c")
    return fit_head(labels, clouds(1, each), clouds(2, 20), background, 0)


def test_it_tells_the_kinds_apart():
    x, y = clouds(3, 50)
    assert (head_of().score(x).argmax(axis=1) == y).mean() > 0.95


def test_something_else_gets_low_scores_where_softmax_alone_is_sure():
    head = head_of()
    elsewhere = clouds(4, 50, place=1)[0]
    alone = ClassifierHead(head.labels, head.weights, head.intercepts, None, head.strength)
    assert np.median(alone.score(elsewhere).max(axis=1)) > 0.6
    assert head.score(elsewhere).max() < 0.01
    assert np.median(head.score(clouds(3, 50)[0]).max(axis=1)) > 0.6


def test_the_gate_does_not_change_the_order_of_labels():
    head = head_of()
    alone = ClassifierHead(head.labels, head.weights, head.intercepts, None, head.strength)
    x = np.vstack([clouds(3, 50)[0], clouds(4, 50, place=1)[0]])
    np.testing.assert_array_equal(head.score(x).argsort(axis=1), alone.score(x).argsort(axis=1))


def test_the_same_pictures_and_seed_give_the_same_numbers():
    first, second = head_of(), head_of()
    for one, other in ((first.weights, second.weights), (first.intercepts, second.intercepts), (first.gate.space.mean, second.gate.space.mean),
                       (first.gate.space.components, second.gate.space.components),
                       (first.gate.kinds.directions, second.gate.kinds.directions)):  # fmt: skip
        np.testing.assert_array_equal(one, other)
    assert (first.gate.far, first.gate.near) == (second.gate.far, second.gate.near)


def test_two_labels_have_a_score_each():
    head = fit_head(("a", "b"), clouds(1, 60, 2), clouds(2, 20, 2), None, 0)
    x, y = clouds(3, 50, 2)
    scores = head.score(x)
    assert scores.shape == (100, 2)
    assert (scores.argmax(axis=1) == y).mean() > 0.9


def test_the_gate_is_fitted_without_the_background():
    x, y = clouds(1, 60)
    other, _ = clouds(5, 30, place=1)
    with_background = fit_head(
        ("a", "b", "c", "background"),
        (np.vstack([x, other]), np.append(y, [3] * len(other))),
        clouds(2, 20),
        "background",
        0,
    )
    expected = fit_gate(sqrt_features(x), y, 0)
    np.testing.assert_array_equal(with_background.gate.space.mean, expected.space.mean)
    assert with_background.gate.far == expected.far
    assert (with_background.score(other)[:, :3] < 0.01).all()


@pytest.mark.parametrize(("pictures", "components"), [(2, 1), (80, 20), (256, 64), (10_000, FAR_COMPONENTS)])
def test_few_pictures_carry_few_components(pictures, components):
    assert count_far_components(pictures) == components


def scored(*rows: tuple[float, float]) -> np.ndarray:
    return np.array(rows)


def test_the_threshold_is_the_lowest_at_which_95_of_100_labels_are_right():
    # 40 right ones at 0.9, 10 wrong ones at 0.42: only above that are 95 % right.
    scores = np.vstack([np.tile([0.9, 0.05], (40, 1)), np.tile([0.42, 0.3], (10, 1))])
    choice = choose_validation_threshold(scores, np.array([0] * 40 + [1] * 10), None)
    assert choice.threshold == pytest.approx(0.43)
    assert (choice.precision, choice.recall) == (1.0, 0.8)


def test_a_label_given_to_a_background_picture_is_a_wrong_one():
    scores = np.vstack([np.tile([0.9, 0.05, 0.0], (40, 1)), np.tile([0.6, 0.1, 0.3], (40, 1))])
    targets = np.array([0] * 40 + [2] * 40)
    assert choose_validation_threshold(scores, targets, 2).threshold == pytest.approx(0.61)


def test_where_no_threshold_is_precise_enough_the_best_balance_is_taken():
    scores = np.vstack([np.tile([0.9, 0.1], (30, 1)), np.tile([0.9, 0.1], (5, 1)), np.tile([0.4, 0.2], (20, 1))])
    choice = choose_validation_threshold(scores, np.array([0] * 30 + [1] * 25), None)
    assert choice.threshold == pytest.approx(0.41)
    assert choice.precision == pytest.approx(30 / 35)


def test_from_a_handful_of_pictures_no_threshold_is_read():
    assert choose_validation_threshold(np.tile([0.9, 0.1], (29, 1)), np.zeros(29, int), None).threshold == 0.5
