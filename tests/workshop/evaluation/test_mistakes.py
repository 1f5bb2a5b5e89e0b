"""The pictures that a model labels wrongly."""

import numpy as np

from appliance.workshop.evaluation.metrics import Predictions
from appliance.workshop.evaluation.mistakes import find_wrong_labels


def test_most_certain_wrong_labels_come_first():
    scores = np.array([[0.9, 0.3], [0.2, 0.95], [0.1, 0.0]], np.float32)
    predictions = Predictions(("a", "b"), scores, np.array([0, 0, -1]), scores.argmax(axis=1), scores.max(axis=1))
    assert find_wrong_labels(predictions) == [(1, 1), (0, 1), (2, 0)]
    assert find_wrong_labels(predictions, 0.5) == [(1, 1)]
