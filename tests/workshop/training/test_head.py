"""The head: it chooses the label, and rejects other subjects."""

import numpy as np

from appliance.workshop.training.gate import fit_gate
from appliance.workshop.training.head import ClassifierHead, fit_head

SIZE, LABELS = 60, 3


def clouds(seed: int, each: int, labels: int = LABELS, offset: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return pooled features of labels that differ in a few directions out of many; `offset` moves them elsewhere."""
    random = np.random.default_rng(seed)
    plane = np.random.default_rng(100 + offset).uniform(0, 2, (6, SIZE))
    centers = np.random.default_rng(200 + offset).uniform(0, 1.5, (labels, 6))
    y = np.repeat(np.arange(labels), each)
    x = (centers[y] + random.normal(0, 0.25, (len(y), 6))) @ plane + random.normal(0, 0.05, (len(y), SIZE))
    return np.maximum(x, 0), y


def fit_example(background: str | None = None) -> ClassifierHead:
    return fit_head(("a", "b", "c"), clouds(1, 60), clouds(2, 20), background, 0)


def test_head_separates_the_labels():
    x, y = clouds(3, 50)
    assert (fit_example().score(x).argmax(axis=1) == y).mean() > 0.95


def test_other_subjects_get_low_scores():
    head = fit_example()
    elsewhere = clouds(4, 50, offset=1)[0]
    alone = ClassifierHead(head.labels, head.weights, head.intercepts, None, head.strength)
    assert np.median(alone.score(elsewhere).max(axis=1)) > 0.6
    assert head.score(elsewhere).max() < 0.01
    assert np.median(head.score(clouds(3, 50)[0]).max(axis=1)) > 0.6


def test_gate_keeps_the_order_of_labels():
    head = fit_example()
    alone = ClassifierHead(head.labels, head.weights, head.intercepts, None, head.strength)
    x = np.vstack([clouds(3, 50)[0], clouds(4, 50, offset=1)[0]])
    np.testing.assert_array_equal(head.score(x).argsort(axis=1), alone.score(x).argsort(axis=1))


def test_same_pictures_and_seed_give_the_same_numbers():
    first, second = fit_example(), fit_example()
    np.testing.assert_array_equal(first.weights, second.weights)
    np.testing.assert_array_equal(first.intercepts, second.intercepts)
    np.testing.assert_array_equal(first.gate.subspace.mean, second.gate.subspace.mean)
    np.testing.assert_array_equal(first.gate.subspace.components, second.gate.subspace.components)
    np.testing.assert_array_equal(first.gate.discriminants.directions, second.gate.discriminants.directions)
    assert (first.gate.far, first.gate.near) == (second.gate.far, second.gate.near)


def test_two_labels_have_a_score_each():
    head = fit_head(("a", "b"), clouds(1, 60, 2), clouds(2, 20, 2), None, 0)
    x, y = clouds(3, 50, 2)
    scores = head.score(x)
    assert scores.shape == (100, 2)
    assert (scores.argmax(axis=1) == y).mean() > 0.9


def test_gate_is_fitted_without_the_background():
    x, y = clouds(1, 60)
    other, _ = clouds(5, 30, offset=1)
    with_background = fit_head(
        ("a", "b", "c", "background"),
        (np.vstack([x, other]), np.append(y, [3] * len(other))),
        clouds(2, 20),
        "background",
        0,
    )
    expected = fit_gate(x, y, 0)
    np.testing.assert_array_equal(with_background.gate.subspace.mean, expected.subspace.mean)
    assert with_background.gate.far == expected.far
    assert (with_background.score(other)[:, :3] < 0.01).all()
