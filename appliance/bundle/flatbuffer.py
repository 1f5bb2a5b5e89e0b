"""Reads single fields out of a flatbuffer, and never beyond its end.

A .tflite file and the metadata inside it are flatbuffers. Only a handful of their fields matter here, and they must
be readable beside either runtime (tflite-runtime brings no schema) and in a damaged file (generated readers follow
any offset). So this walks the format itself: https://flatbuffers.dev/internals. A field is named by its slot: its
place in the table's declaration, counted from 0, a union taking two (type, then value).

Whatever does not fit ends in a MalformedError; no read goes outside the bytes given.
"""

import struct
from dataclasses import dataclass

import numpy as np


class MalformedError(ValueError):
    """The bytes are not the flatbuffer they should be; becomes a BundleError where the file's name is known."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table inside `data` at `position`; an absent field reads as its default."""

    data: bytes | memoryview
    position: int

    def read_scalar(self, slot: int, code: str, default: float = 0) -> float:
        """A number; `code` is its struct format: b, B, h, H, i, I, q, Q, f, d."""
        at = self._field(slot)
        return default if at is None else _unpack(self.data, code, at)

    def read_text(self, slot: int) -> str | None:
        """A string, None where the field is absent."""
        vector = self._vector(slot, 1)
        if vector is None:
            return None
        start, length = vector
        return bytes(self.data[start : start + length]).decode("utf-8", "replace")

    def read_numbers(self, slot: int, dtype: str) -> np.ndarray:
        """A vector of numbers of a little-endian numpy dtype (such as "<i4"); a view on the data."""
        vector = self._vector(slot, np.dtype(dtype).itemsize)
        start, length = vector or (0, 0)
        return np.frombuffer(self.data, dtype, length, start) if length else np.empty(0, dtype)

    def read_table(self, slot: int) -> "Table | None":
        """A table, None where the field is absent."""
        at = self._field(slot)
        return None if at is None else _follow(self.data, at)

    def read_tables(self, slot: int) -> list["Table"]:
        """A vector of tables."""
        start, length = self._vector(slot, 4) or (0, 0)
        return [_follow(self.data, start + 4 * place) for place in range(length)]

    def _field(self, slot: int) -> int | None:
        vtable = self.position - _unpack(self.data, "i", self.position)
        size = _unpack(self.data, "H", vtable)
        entry = 4 + 2 * slot
        offset = _unpack(self.data, "H", vtable + entry) if entry + 2 <= size else 0
        return self.position + offset if offset else None

    def _vector(self, slot: int, item_bytes: int) -> tuple[int, int] | None:
        """Where a vector's items begin and how many there are."""
        at = self._field(slot)
        if at is None:
            return None
        start = at + _unpack(self.data, "I", at)
        length = _unpack(self.data, "I", start)
        if start + 4 + length * item_bytes > len(self.data):
            raise MalformedError(
                f"a vector reaches {start + 4 + length * item_bytes - len(self.data)} bytes beyond the end"
            )
        return start + 4, length


def read_root(data: bytes | memoryview, identifier: bytes) -> Table:
    """The outermost table of a flatbuffer whose file identifier must be `identifier` (4 bytes at offset 4).

    Raises:
        MalformedError: It is another kind of file.
    """
    if bytes(data[4:8]) != identifier:
        raise MalformedError(f"its identifier is not {identifier.decode()}")
    return _follow(data, 0)


def _follow(data: bytes | memoryview, at: int) -> Table:
    return Table(data, at + _unpack(data, "I", at))


def _unpack(data: bytes | memoryview, code: str, at: int) -> int | float:
    # A negative offset would count from the end, as everywhere in Python.
    if at < 0:
        raise MalformedError("an offset leads out of the file")
    try:
        return struct.unpack_from("<" + code, data, at)[0]
    except struct.error:
        raise MalformedError("an offset leads out of the file") from None
