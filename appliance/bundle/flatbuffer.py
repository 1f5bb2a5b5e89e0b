"""Read individual fields of a flatbuffer without ever reading beyond its end.

A .tflite file and the metadata inside it are flatbuffers. Only a few of their fields are needed, and they must be
readable with either runtime (tflite-runtime contains no schema) and in a damaged file (generated readers follow any
offset). So this module parses the format itself: https://flatbuffers.dev/internals. A field is addressed by its slot,
which is its index in the table's declaration, counted from 0; a union takes two slots (type, then value).

Any inconsistency raises MalformedError; nothing outside of the given bytes is read.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np


class MalformedError(ValueError):
    """The bytes are not the expected flatbuffer; callers that know the file's name turn it into a BundleError."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table inside `data` at `position`; an absent field reads as its default."""

    data: bytes | memoryview
    position: int

    def read_scalar(self, slot: int, code: str, default: float = 0) -> float:
        """Return a number; `code` is its struct format: b, B, h, H, i, I, q, Q, f, d."""
        at = self._find_field(slot)
        return default if at is None else float(_unpack(self.data, code, at))

    def read_integer(self, slot: int, code: str) -> int:
        """Return an integer, 0 if absent; `code` is its struct format: b, B, h, H, i, I, q, Q."""
        at = self._find_field(slot)
        return 0 if at is None else _unpack_integer(self.data, code, at)

    def read_text(self, slot: int) -> str | None:
        """Return a string, or None if the field is absent."""
        vector = self._find_vector(slot, 1)
        if vector is None:
            return None
        start, length = vector
        return bytes(self.data[start : start + length]).decode("utf-8", "replace")

    def read_numbers(self, slot: int, dtype: str) -> np.ndarray:
        """Return a vector of numbers of a little-endian numpy dtype such as "<i4", as a view of the data."""
        vector = self._find_vector(slot, np.dtype(dtype).itemsize)
        start, length = vector or (0, 0)
        return np.frombuffer(self.data, dtype, length, start) if length else np.empty(0, dtype)

    def read_table(self, slot: int) -> "Table | None":
        """Return a table, or None if the field is absent."""
        at = self._find_field(slot)
        return None if at is None else _follow_offset(self.data, at)

    def read_tables(self, slot: int) -> list["Table"]:
        """Return a vector of tables; it is empty if the field is absent."""
        start, length = self._find_vector(slot, 4) or (0, 0)
        return [_follow_offset(self.data, start + 4 * index) for index in range(length)]

    def _find_field(self, slot: int) -> int | None:
        vtable = self.position - _unpack_integer(self.data, "i", self.position)
        size = _unpack_integer(self.data, "H", vtable)
        entry = 4 + 2 * slot
        offset = _unpack_integer(self.data, "H", vtable + entry) if entry + 2 <= size else 0
        return self.position + offset if offset else None

    def _find_vector(self, slot: int, item_bytes: int) -> tuple[int, int] | None:
        """Return the position of the first item and the number of items."""
        at = self._find_field(slot)
        if at is None:
            return None
        start = at + _unpack_integer(self.data, "I", at)
        length = _unpack_integer(self.data, "I", start)
        excess_bytes = start + 4 + length * item_bytes - len(self.data)
        if excess_bytes > 0:
            raise MalformedError(f"a vector extends {excess_bytes} bytes beyond the end")
        return start + 4, length


def read_root(data: bytes | memoryview, identifier: bytes) -> Table:
    """Return the root table of a flatbuffer whose file identifier (4 bytes at offset 4) must be `identifier`.

    Raises:
        MalformedError: The bytes are a different kind of file.
    """
    if bytes(data[4:8]) != identifier:
        raise MalformedError(f"its identifier is not {identifier.decode()}")
    return _follow_offset(data, 0)


def _follow_offset(data: bytes | memoryview, at: int) -> Table:
    return Table(data, at + _unpack_integer(data, "I", at))


def _unpack_integer(data: bytes | memoryview, code: str, at: int) -> int:
    return int(_unpack(data, code, at))


def _unpack(data: bytes | memoryview, code: str, at: int) -> Any:
    # Python would count a negative offset from the end.
    if at < 0:
        raise MalformedError("an offset points outside of the file")
    try:
        return struct.unpack_from("<" + code, data, at)[0]
    except struct.error:
        raise MalformedError("an offset points outside of the file") from None
