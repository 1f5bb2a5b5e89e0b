"""The features of many pictures in a file that is mapped into memory, as float16.

That is a fourth of the float64 that fitting needs, and its rounding changes no score noticeably. Only the rows that are
being used are converted, so 100,000 pictures of 2,800 features need 560 MB of file and a few MB of memory. The file is
deleted as soon as it is open, so that a killed process leaves nothing behind.
"""

import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from appliance.workshop.training.mapped_file import map_nameless_file

STORED = np.dtype(np.float16)
BATCH_ROWS = 2048
# After this many rows were used, the system may take their memory back; they stay in the file.
_KEPT_ROWS = 16 * BATCH_ROWS


class FeatureFile:
    """A table of features, (pictures, size) float16, in a file without a name."""

    def __init__(self, count: int, size: int, folder: Path | None) -> None:
        """Create a table of zeros.

        Args:
            count: The number of pictures.
            size: The number of features.
            folder: Contains the file; None, or a folder that cannot be written, for the system's temporary folder.

        Raises:
            TrainingError: The disk has too little space.
        """
        self._used = 0
        self._map: mmap.mmap | None = None
        if not count:
            self._values = np.zeros((count, size), STORED)
            return
        usable = folder if folder is not None and folder.is_dir() and os.access(folder, os.W_OK) else None
        content = f"the features of {count} pictures need"
        self._map = map_nameless_file(count * size * STORED.itemsize, usable, "features-", content)
        self._values = np.frombuffer(self._map, STORED).reshape(count, size)

    @property
    def size(self) -> int:
        """The number of features."""
        return self._values.shape[1]

    def write(self, index: int, features: np.ndarray) -> None:
        """Store the features of a picture, (size,); values beyond the range of float16 become its limits."""
        limit = np.finfo(STORED).max
        self._values[index] = np.where(np.isfinite(features), np.clip(features, -limit, limit), features)
        self._count(1)

    def read(self, indexes: np.ndarray) -> np.ndarray:
        """Return the features of some pictures, (pictures, size) float16."""
        values: np.ndarray = self._values[indexes]
        self._count(len(indexes))
        return values

    def copy(self, source: int, target: int) -> None:
        """Store the features of one picture as those of another."""
        self._values[target] = self._values[source]

    def _count(self, rows: int) -> None:
        self._used += rows
        if self._used >= _KEPT_ROWS and self._map is not None:
            self._used = 0
            self._map.madvise(mmap.MADV_DONTNEED)


class FeatureRows:
    """Some rows of a table; indexing converts them to float64."""

    def __init__(
        self, file: FeatureFile, indexes: np.ndarray, convert: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> None:
        """Refer to rows.

        Args:
            file: The table.
            indexes: (rows,) the rows to use.
            convert: Maps (rows, size) float16 to (rows, any) float64; None for the same values.
        """
        self._file = file
        self._indexes = indexes
        self._convert = convert

    def __len__(self) -> int:
        return len(self._indexes)

    def __getitem__(self, key: slice | np.ndarray) -> np.ndarray:
        """Return (rows, size) float64."""
        stored = self._file.read(self._indexes[key])
        return stored.astype(np.float64) if self._convert is None else self._convert(stored)

    def select(self, mask: np.ndarray) -> "FeatureRows":
        """Return the rows that a (rows,) bool marks, without converting them."""
        return FeatureRows(self._file, self._indexes[mask], self._convert)

    def convert_with(self, convert: Callable[[np.ndarray], np.ndarray]) -> "FeatureRows":
        """Return the same rows, which `convert` maps to other values."""
        return FeatureRows(self._file, self._indexes, convert)

    def is_finite(self) -> bool:
        """Return whether all features are numbers."""
        return all(bool(np.isfinite(self[part]).all()) for part in split_rows(len(self)))


def split_rows(count: int) -> Iterator[slice]:
    """Yield slices that cover this number of rows, in batches."""
    for start in range(0, count, BATCH_ROWS):
        yield slice(start, start + BATCH_ROWS)
