"""Find the same files in two datasets of one training, such as pictures for training that also validate."""

import hashlib
from collections.abc import Sequence

from appliance.errors import PictureError, TrainingError
from appliance.workshop.datasets.dataset import Dataset, Example


def count_shared_files(ones: Sequence[Example], others: Sequence[Example]) -> int:
    """Return how many of the other pictures are the same files as one of the first; only files of equal size are read.

    A picture that cannot be read counts as different.
    """
    sizes = {size for example in ones if (size := _read_size(example)) is not None}
    suspects = [example for example in others if _read_size(example) in sizes]
    common = {_read_size(example) for example in suspects}
    known = {_hash(example) for example in ones if _read_size(example) in common} - {None}
    return sum(_hash(example) in known for example in suspects) if known else 0


def require_no_contradiction(dataset: Dataset, background: Dataset) -> tuple[Example, ...]:
    """Return the background pictures, unless some are the same files as pictures with a label.

    Raises:
        TrainingError: There are such pictures.
    """
    negatives = (*background.examples, *background.unlabeled)
    if shared := count_shared_files(dataset.examples, negatives):
        pictures = "1 picture" if shared == 1 else f"{shared} pictures"
        raise TrainingError(
            f"{pictures} in {background.source} have a label in {dataset.source}; remove the files from one of both"
        )
    return negatives


def _read_size(example: Example) -> int | None:
    try:
        return example.container.get_size_bytes(example.key)
    except PictureError:
        return None


def _hash(example: Example) -> bytes | None:
    try:
        return hashlib.sha256(example.read_bytes()).digest()
    except PictureError:
        return None
