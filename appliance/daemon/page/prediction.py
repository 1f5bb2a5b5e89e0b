"""Open the labeler of online predictions, with a second thread for models that gain from it."""

import os
import time

import numpy as np

from appliance.bundle.bundle import Bundle
from appliance.labeling.labeler import Labeler

# A model that takes less time loses by dividing each of its layers between two processors.
WORTH_DIVIDING_S = 0.002
_TIMED_RUNS = 3


def open_prediction_labeler(bundle: Bundle, runtime: str) -> Labeler:
    """Return a labeler for whole pictures; takes a second.

    Clients wait for each answer, so it uses two processors if there are two and the model takes long enough.

    Args:
        bundle: The model.
        runtime: The setting labeler.runtime.

    Raises:
        ModelError: The model cannot be run.
    """
    labeler = Labeler(bundle, runtime=runtime)
    if len(os.sched_getaffinity(0)) < 2 or _measure_s(labeler) < WORTH_DIVIDING_S:
        return labeler
    return Labeler(bundle, runtime=runtime, threads=2)


def _measure_s(labeler: Labeler) -> float:
    width, height = labeler.input_px
    picture, times_s = np.zeros((height, width, 3), np.uint8), []
    for _ in range(1 + _TIMED_RUNS):
        started_s = time.perf_counter()
        labeler.score(picture)
        times_s.append(time.perf_counter() - started_s)
    return min(times_s)
