"""Compute the interval of the area under the precision-recall curve, by drawing the pictures again and again.

The area is no share of a sample, so there is no Wilson interval. Recordings are drawn with replacement, and a picture
counts as often as its recording was drawn (Efron, "Bootstrap methods", Annals of Statistics 7, 1979).
"""

from collections.abc import Sequence

import numpy as np

from appliance.workshop.evaluation.metrics import Predictions

MIN_SAMPLES = 6
_DRAWS = 400
_MIN_DRAWS = 100
# So that an evaluation of 100,000 pictures takes seconds longer, not minutes.
_MAX_STEPS = 2e8


def compute_area_interval(predictions: Predictions, recordings: Sequence[str]) -> tuple[float, float] | None:
    """Return the 95 % interval of the area; None if there are too few recordings, or all draws are equal.

    Args:
        predictions: Of the pictures.
        recordings: The recording of each picture.
    """
    names, groups = np.unique(np.array(recordings), return_inverse=True)
    if len(names) < MIN_SAMPLES or not predictions.is_own_label.any():
        return None
    pictures, labels = np.nonzero(predictions.scores >= 0)
    scores = predictions.scores[pictures, labels]
    order = np.argsort(-scores, kind="stable")
    scores, pictures = scores[order], pictures[order]
    is_own = predictions.is_own_label[pictures, labels[order]]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    content = predictions.is_own_label.sum(axis=1)
    random = np.random.default_rng(0)
    areas = []
    for _ in range(int(min(_DRAWS, max(_MIN_DRAWS, _MAX_STEPS / max(1, len(scores)))))):
        weights = random.multinomial(len(names), np.full(len(names), 1 / len(names)))[groups]
        total = int((weights * content).sum())
        if not total:
            continue
        drawn = weights[pictures]
        given, right = np.cumsum(drawn)[last], np.cumsum(drawn * is_own)[last]
        areas.append(float(np.sum(np.diff(right, prepend=0) * right / np.maximum(given, 1))) / total)
    if not areas or min(areas) == max(areas):
        return None
    low, high = np.quantile(areas, [0.025, 0.975]).tolist()
    return low, high
