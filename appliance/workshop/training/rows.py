"""Rows of a table that are read in batches, so that many of them need little memory."""

from typing import Protocol

import numpy as np


class Rows(Protocol):
    """(rows, size): an array, or values that are read or converted when they are used."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def __getitem__(self, key: slice) -> np.ndarray:
        """Return some rows."""
        ...


class ChosenRows:
    """Some rows of an array, which are copied only when they are used."""

    def __init__(self, values: np.ndarray, chosen: np.ndarray) -> None:
        """Refer to the rows.

        Args:
            values: (all rows, size).
            chosen: (rows,) the indexes of the rows to use.
        """
        self._values, self._chosen = values, chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, key: slice) -> np.ndarray:
        """Return some rows."""
        rows: np.ndarray = self._values[self._chosen[key]]
        return rows


class ChosenColumns:
    """Some columns of a table."""

    def __init__(self, rows: Rows, columns: slice) -> None:
        """Refer to the columns."""
        self._rows, self._columns = rows, columns

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: slice) -> np.ndarray:
        """Return some rows."""
        rows: np.ndarray = self._rows[key][:, self._columns]
        return rows


class JoinedRows:
    """Rows of two tables, one after the other."""

    def __init__(self, first: Rows, second: np.ndarray) -> None:
        """Refer to the rows of both; they have the same columns."""
        self._first, self._second = first, second

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def __getitem__(self, key: slice) -> np.ndarray:
        """Return consecutive rows."""
        start, stop, _ = key.indices(len(self))
        count = len(self._first)
        first = self._first[min(start, count) : min(stop, count)]
        if stop <= count:
            return first
        return np.concatenate([first, self._second[max(start - count, 0) : stop - count]])
