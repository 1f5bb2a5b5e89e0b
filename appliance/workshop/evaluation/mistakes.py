"""Find the pictures that a model labels wrongly, the most certain mistakes first."""

import numpy as np

from appliance.workshop.evaluation.metrics import Predictions


def find_wrong_labels(predictions: Predictions, thresholds: np.ndarray | float = 0.0) -> list[tuple[int, int]]:
    """Return (picture, label) of each picture's most certain wrong label at its threshold, the most certain first."""
    if not len(predictions.targets):
        return []
    wrong = np.where(predictions.is_own_label | (predictions.scores < thresholds), -1.0, predictions.scores)
    labels = wrong.argmax(axis=1)
    scores = wrong[np.arange(len(labels)), labels]
    return [(int(index), int(labels[index])) for index in np.argsort(-scores, kind="stable") if scores[index] > 0]
