"""The features of many pictures in a file that is mapped into memory, as the base stores them.

A quantized base stores one byte per feature, an eighth of the float64 that fitting needs. Only the rows that are being
used are converted, so 100,000 pictures need 100 MB of file and a few MB of memory. The file is deleted as soon as it is
open, so that a killed process leaves nothing behind.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from appliance.workshop.training.tflite_graph import Pooled

BATCH_ROWS = 2048


def create_rows(count: int, pooled: Pooled, folder: Path | None) -> np.ndarray:
    """Return (count, size) features of zero as the base stores them, in a file without a name.

    Args:
        count: The number of pictures.
        pooled: The form of the features.
        folder: Contains the file; None, or a folder that cannot be written, for the system's temporary folder.
    """
    shape = (count, pooled.size)
    if not count:
        return np.zeros(shape, pooled.dtype)
    usable = folder if folder is not None and folder.is_dir() and os.access(folder, os.W_OK) else None
    with tempfile.TemporaryFile(prefix="features-", dir=usable) as file:
        return np.memmap(file, pooled.dtype, "w+", shape=shape)


class FeatureRows:
    """Some rows of stored features; indexing converts them to float64, dequantized."""

    def __init__(self, stored: np.ndarray, indexes: np.ndarray, pooled: Pooled) -> None:
        """Refer to rows.

        Args:
            stored: (pictures, size) as the base stores features.
            indexes: (rows,) the rows to use.
            pooled: How stored values become features.
        """
        self._stored = stored
        self._indexes = indexes
        self._pooled = pooled

    def __len__(self) -> int:
        return len(self._indexes)

    def __getitem__(self, key: slice | np.ndarray) -> np.ndarray:
        """Return (rows, size) float64."""
        return self._pooled.dequantize(self._stored[self._indexes[key]])

    def select(self, mask: np.ndarray) -> "FeatureRows":
        """Return the rows that a (rows,) bool marks, without converting them."""
        return FeatureRows(self._stored, self._indexes[mask], self._pooled)

    def is_finite(self) -> bool:
        """Return whether all features are numbers."""
        return all(bool(np.isfinite(self[part]).all()) for part in split_rows(len(self)))


def split_rows(count: int) -> Iterator[slice]:
    """Yield slices that cover this number of rows, in batches."""
    for start in range(0, count, BATCH_ROWS):
        yield slice(start, start + BATCH_ROWS)
