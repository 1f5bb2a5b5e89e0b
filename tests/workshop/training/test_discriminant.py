"""The discriminant analysis gives the probabilities of normal distributions, from sums that add up."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from appliance.workshop.training import feature_rows
from appliance.workshop.training.discriminant import Moments, fit_discriminant, measure_moments

SIZE = 12


def clouds(seed: int, counts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(5).normal(size=(SIZE, SIZE))
    y = random.permutation(np.repeat(np.arange(len(counts)), counts))
    return np.random.default_rng(7).normal(0, 2, (len(counts), SIZE))[y] + random.normal(
        size=(len(y), SIZE)
    ) @ mixing, y


def score(x: np.ndarray, fitted: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    logits = x @ fitted[0].T + fitted[1]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def assert_same_fit(one: Moments, other: Moments) -> None:
    for left, right in zip(fit_discriminant(one, 0.3), fit_discriminant(other, 0.3), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6)


@pytest.mark.parametrize("counts", [[200, 100], [150, 20, 90, 40]])
def test_scores_without_shrinkage_are_those_of_scikit_learn(counts, monkeypatch):
    monkeypatch.setattr(feature_rows, "BATCH_ROWS", 64)
    x, y = clouds(1, counts)
    exact = LinearDiscriminantAnalysis(solver="lsqr").fit(x, y)
    fitted = fit_discriminant(measure_moments(x, y, len(counts)), 0.0)
    np.testing.assert_allclose(score(x, fitted), exact.predict_proba(x), atol=1e-6)


def test_sums_without_a_part_are_those_of_the_rest():
    x, y = clouds(2, [60, 30, 30])
    rest = measure_moments(x, y, 3) - measure_moments(x[:40], y[:40], 3)
    assert_same_fit(rest, measure_moments(x[40:], y[40:], 3))


def test_pictures_that_count_half_are_as_half_as_many():
    x, y = clouds(3, [40, 40])
    twice = measure_moments(np.vstack([x, x]), np.append(y, y), 2)
    assert_same_fit(twice.weigh(0.5), measure_moments(x, y, 2))


def test_shrinkage_serves_pictures_with_more_axes_than_pictures():
    random = np.random.default_rng(4)
    centers = random.normal(0, 1, (3, 300))
    y, new = np.repeat(np.arange(3), 6), np.repeat(np.arange(3), 100)
    x = centers[y] + random.normal(0, 2, (18, 300))
    weights, intercepts = fit_discriminant(measure_moments(x, y, 3), 0.3)
    logits = (centers[new] + random.normal(0, 2, (300, 300))) @ weights.T + intercepts
    assert (logits.argmax(axis=1) == new).mean() > 0.85


def test_class_without_pictures_is_never_the_best():
    x, y = clouds(5, [50, 50])
    scores = score(x, fit_discriminant(measure_moments(x, y, 3), 0.1))
    assert np.isfinite(scores).all()
    assert (scores.argmax(axis=1) != 2).all()


def test_equal_pictures_of_a_class_are_fitted():
    y = np.repeat(np.arange(3), 37)
    x = np.random.default_rng(8).normal(0, 300, (3, 40))[y]
    assert (score(x, fit_discriminant(measure_moments(x, y, 3), 0.1)).argmax(axis=1) == y).all()


def test_rare_class_is_recognized_beside_a_big_one():
    x, y = clouds(6, [500, 12])
    fitted = fit_discriminant(measure_moments(x, y, 2), 0.3)
    new, targets = clouds(7, [200, 200])
    assert (score(new, fitted).argmax(axis=1) == targets)[targets == 1].mean() > 0.8
