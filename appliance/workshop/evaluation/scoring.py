"""Score pictures with one or more models, and align the scores with the pictures' labels.

Every picture is processed by the same code as a frame on a device (read_picture, Labeler), so the scores are those that
a device computes. Each picture is decoded once, for all models.
"""

import hashlib
import io
import os
import threading
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from appliance.bundle.bundle import Bundle
from appliance.errors import PictureError
from appliance.imaging.files import read_picture
from appliance.labeling.labeler import Labeler
from appliance.workshop.datasets.dataset import Example
from appliance.workshop.evaluation.metrics import NO_SCORE, Predictions

MAX_THREADS = 8


@dataclass(frozen=True, slots=True)
class PictureScores:
    """The raw scores of several models for the same pictures.

    Attributes:
        scores: For each model, (pictures, outputs) float32, with a row of zeros for each unreadable picture.
        unreadable: The index of each unreadable picture → the reason.
        digests: The SHA-256 of each file; empty for an unreadable picture.
    """

    scores: tuple[np.ndarray, ...]
    unreadable: Mapping[int, str]
    digests: Sequence[bytes]

    def list_readable(self, start: int, stop: int) -> list[int]:
        """Return the indexes from `start` up to `stop` of readable pictures."""
        return [index for index in range(start, stop) if index not in self.unreadable]


def score_pictures(
    bundles: Sequence[Bundle], examples: Sequence[Example], progress: Callable[[int, int], None]
) -> PictureScores:
    """Score pictures with several models at once, on as many threads as there are processors."""
    own = threading.local()

    def score(example: Example) -> tuple[bytes, list[np.ndarray]] | str:
        if not hasattr(own, "labelers"):
            own.labelers = [Labeler(bundle) for bundle in bundles]
        try:
            content = example.read_bytes()
            pixels = read_picture(io.BytesIO(content), example.name)
        except PictureError as error:
            return str(error)
        return hashlib.sha256(content).digest(), [labeler.score(pixels) for labeler in own.labelers]

    tables = tuple(np.zeros((len(examples), len(bundle.labels)), np.float32) for bundle in bundles)
    unreadable: dict[int, str] = {}
    digests = [b""] * len(examples)
    threads = min(MAX_THREADS, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(threads, "evaluate") as pool:
        try:
            for index, outcome in enumerate(pool.map(score, examples)):
                if isinstance(outcome, str):
                    unreadable[index] = outcome
                else:
                    digests[index], rows = outcome
                    for table, row in zip(tables, rows, strict=True):
                        table[index] = row
                progress(index + 1, len(examples))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return PictureScores(tables, unreadable, digests)


def align_predictions(
    bundle: Bundle,
    scores: np.ndarray,
    targets: Sequence[str | None],
    background_labels: Set[str],
    missing_labels: Sequence[str],
    several: Sequence[Sequence[str]] | None = None,
) -> Predictions:
    """Align a model's outputs with the labels of pictures.

    If the model has a label twice (ImageNet has two cranes), the two are merged, with the higher of their scores.

    Args:
        bundle: The model.
        scores: (pictures, outputs) float32.
        targets: Each picture's label; None if it shows none.
        background_labels: Labels that mean that the picture has no content.
        missing_labels: Labels to add because the model does not have them.
        several: All labels of each picture, if pictures may have several.
    """
    scores = np.nan_to_num(scores, nan=0.0, posinf=0.0, neginf=0.0)
    labels = [*dict.fromkeys(label for label in bundle.labels if label != bundle.background_label), *missing_labels]
    label_indexes = {label: index for index, label in enumerate(labels)}
    aligned = np.full((len(scores), len(labels)), NO_SCORE, np.float32)
    for output, label in enumerate(bundle.labels):
        if (known := label_indexes.get(label)) is not None:
            np.maximum(aligned[:, known], scores[:, output], out=aligned[:, known])
    target_indexes = [-1 if label is None or label in background_labels else label_indexes[label] for label in targets]
    # The background label is never reported, so it is no answer: the best of the other labels is.
    best = aligned.argmax(axis=1)
    best_scores = aligned[np.arange(len(scores)), best]
    is_own = None
    if several is not None:
        is_own = np.zeros(aligned.shape, bool)
        for row, own in zip(is_own, several, strict=True):
            row[[label_indexes[label] for label in own if label in label_indexes]] = True
    targets_array = np.array(target_indexes, np.intp)
    return Predictions(tuple(labels), aligned, targets_array, best, best_scores, is_own)
