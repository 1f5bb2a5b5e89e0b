"""The regression in batches finds the minimum that scikit-learn finds."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from appliance.workshop.training import feature_rows
from appliance.workshop.training.batched_regression import BatchedRegression

SIZE = 40


def clouds(seed: int, each: int, labels: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    centers = np.random.default_rng(7).uniform(0, 2, (labels, SIZE))
    y = random.permutation(np.repeat(np.arange(labels), each))
    return np.maximum(centers[y] + random.normal(0, 1.2, (len(y), SIZE)), 0), y


@pytest.mark.parametrize("labels", [2, 4])
def test_batches_give_the_scores_of_scikit_learn(labels, monkeypatch):
    monkeypatch.setattr(feature_rows, "BATCH_ROWS", 64)
    x, y = clouds(1, 150, labels)
    counts = np.where(np.arange(len(y)) % 3, 1.0, 0.4)
    batched = BatchedRegression(x, y, labels, counts)
    for strength in (0.01, 0.3):
        weights, intercepts = batched.fit(strength)
        logits = x @ weights.T + intercepts
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        exact = LogisticRegression(C=strength, tol=1e-8, max_iter=2000).fit(x, y, sample_weight=counts)
        np.testing.assert_allclose(scores, exact.predict_proba(x), atol=0.01)
