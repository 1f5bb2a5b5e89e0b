"""The gate requires evidence of a flower; threshold and bias are chosen for recall and precision."""

import numpy as np
import pytest

from appliance.workshop.models.evidence_gate import (
    BIASES,
    LEAST_PRECISION,
    THRESHOLD_RECALL,
    choose_bias,
    choose_threshold,
    compute_precision,
    compute_scores,
    quantize_scores,
)


def make_logits(right: float = 0.9, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Logits of which a share is right, and the truth."""
    rng = np.random.default_rng(0)
    truth = np.arange(count) % 5
    logits = rng.normal(0, 1, (count, 6))
    best = np.where(rng.random(count) < right, truth, (truth + 1) % 5)
    logits[np.arange(count), best] += rng.uniform(1, 8, count)
    return logits, truth


def test_scores_follow_the_formula():
    logits = np.array([[2.0, 1.0, 0.5]])
    evidence = np.log(np.exp(2.0) + np.exp(1.0)) - 0.5
    acceptance = 1 / (1 + np.exp(2 * (1.2 - evidence)))
    share = np.exp(2.0) / (np.exp(2.0) + np.exp(1.0))
    expected = [share * acceptance, (1 - share) * acceptance, 1 - acceptance]
    assert compute_scores(logits, 1.2)[0] == pytest.approx(expected)


def test_scores_of_extreme_logits_are_finite_and_add_up_to_1():
    scores = compute_scores(np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4], [0.0, 0.0, 0.0]]), 2.0)
    assert np.isfinite(scores).all()
    assert scores.sum(axis=1) == pytest.approx(1)
    assert scores[:, -1] == pytest.approx([0, 1, 1 / (1 + np.exp(-2 * (2.0 - np.log(2))))])


def test_doubt_about_the_kind_is_accepted_about_any_is_not():
    """A rose that may be a tulip gets a label; a rose that may be nothing gets none."""
    doubtful_kind = np.array([[5.0, 4.0, 0.0, 0.0, 0.0, 0.0]])
    doubtful_flower = np.array([[5.0, 0.0, 0.0, 0.0, 0.0, 4.0]])
    assert compute_scores(doubtful_kind, 2.0)[0, 0] > 0.7
    assert compute_scores(doubtful_flower, 2.0)[0, 0] < 0.2


def test_higher_bias_gives_lower_scores():
    logits, _ = make_logits()
    assert (compute_scores(logits, 2.0)[:, :-1] < compute_scores(logits, 1.0)[:, :-1]).all()


def test_quantized_scores_are_steps_without_background():
    scores = quantize_scores(np.array([[0.5012, 0.2, 0.2988]]))
    assert scores.tolist() == [[128 / 256, 51 / 256]]


def test_threshold_is_the_highest_with_the_recall():
    logits, truth = make_logits()
    scores = quantize_scores(compute_scores(logits, 0.5))
    right = scores[np.arange(len(truth)), truth]
    threshold = choose_threshold(scores, truth)
    assert (right >= threshold).mean() >= THRESHOLD_RECALL
    assert (right >= threshold + 0.01).mean() < THRESHOLD_RECALL


def test_threshold_without_any_recall_is_the_least():
    assert choose_threshold(np.zeros((4, 5)), np.arange(4)) == 0.01


def test_precision_counts_every_label_given():
    scores = np.array([[0.9, 0.0], [0.9, 0.8], [0.1, 0.2]])
    assert compute_precision(scores, np.array([0, 1, 0]), 0.5) == pytest.approx(2 / 3)
    assert compute_precision(scores, np.array([0, 1, 0]), 0.95) == 0


def test_bias_is_as_high_as_precision_allows():
    """Of labels that are all right, any bias will do; if half are wrong, none will, and 0 is used."""
    truth = np.arange(100) % 5
    right = np.zeros((100, 6))
    right[np.arange(100), truth] = np.linspace(4, 9, 100)
    assert choose_bias(right, truth) == max(BIASES)
    assert choose_bias(right, (truth + np.arange(100) % 2) % 5) == 0.0


def test_chosen_bias_has_the_precision():
    logits, truth = make_logits(0.95)
    bias = choose_bias(logits, truth)
    scores = quantize_scores(compute_scores(logits, bias))
    assert bias in BIASES
    assert compute_precision(scores, truth, choose_threshold(scores, truth)) >= LEAST_PRECISION
