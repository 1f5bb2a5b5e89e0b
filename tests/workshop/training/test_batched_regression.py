"""A head that is fitted in batches is the one that is fitted in one piece."""

import numpy as np
import pytest

from appliance.workshop.training import feature_rows, head
from appliance.workshop.training.batched_regression import BatchedRegression
from appliance.workshop.training.head import fit_head

SIZE = 40


def clouds(seed: int, each: int, labels: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(7).uniform(0, 2, (labels, SIZE))
    y = random.permutation(np.repeat(np.arange(labels), each))
    return np.maximum(centers[y] + random.normal(0, 1.2, (len(y), SIZE)), 0), y


@pytest.mark.parametrize("labels", [2, 4])
def test_batches_give_the_weights_of_one_piece(labels, monkeypatch):
    monkeypatch.setattr(feature_rows, "BATCH_ROWS", 64)
    x, y = clouds(1, 150, labels)
    whole = head._OnePiece(x, y)
    batched = BatchedRegression(x, y, labels)
    for strength in (0.01, 0.3):
        (weights, intercepts), (expected, expected_intercepts) = batched.fit(strength), whole.fit(strength)
        scores, others = x @ weights.T + intercepts, x @ expected.T + expected_intercepts
        assert (scores.argmax(axis=1) == others.argmax(axis=1)).mean() > 0.99
        np.testing.assert_allclose(weights - weights.mean(axis=0), expected - expected.mean(axis=0), atol=0.05)


def test_many_pictures_are_fitted_in_batches_as_well_as_in_one_piece(monkeypatch):
    train, validation = clouds(1, 500, 3), clouds(2, 1000, 3)
    accuracies = []
    for limit in (10_000, 300):
        monkeypatch.setattr(head, "ONE_PIECE_ROWS", limit)
        fitted = fit_head(("a", "b", "c"), train, validation, None, 0)
        accuracies.append((fitted.score(validation[0]).argmax(axis=1) == validation[1]).mean())
    assert abs(accuracies[0] - accuracies[1]) <= 0.003
