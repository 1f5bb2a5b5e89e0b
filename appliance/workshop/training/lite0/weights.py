"""Read the published weights of EfficientNet-Lite0 without PyTorch.

The file has PyTorch's format from before version 1.6: five pickles (a number that marks the format, its version, facts
of the machine that wrote it, the tensors without their numbers, the keys of the storages), then for each key the count
of numbers (int64) and the numbers, all little-endian. The unpickler creates nothing but tensors and dictionaries.
"""

import io
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from appliance.errors import BaseModelError

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


@dataclass(frozen=True, slots=True)
class _Storage:
    """A list of numbers at the end of the file."""

    key: str
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class _Slice:
    """A tensor: the numbers of a storage from `offset` on, with the distances between neighbors along each axis."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_weights(content: bytes) -> dict[str, np.ndarray]:
    """Read the tensors of a file of weights.

    Args:
        content: The bytes of a .pth file in the format of PyTorch 1.5 or older.

    Returns:
        The tensors by name, with the shapes that PyTorch uses (a convolution: outputs, inputs, height, width).

    Raises:
        BaseModelError: The file has another format, or is damaged.
    """
    file = io.BytesIO(content)
    try:
        if _Reader(file).load() != _MAGIC or _Reader(file).load() != _VERSION:
            raise BaseModelError("the weights have another format than that of PyTorch 1.5; use the locked package")
        _Reader(file).load()
        slices: Mapping[str, Any] = _Reader(file).load()
        storages = dict(_read_storages(file, _Reader(file).load(), slices))
        return {name: _cut(storages[part.storage.key], part) for name, part in slices.items()}
    except (pickle.UnpicklingError, struct.error, EOFError, LookupError, ValueError, AttributeError) as error:
        raise BaseModelError(f"the weights cannot be read: {error}") from error


class _Reader(pickle.Unpickler):
    """Unpickles the names of the format and nothing else, so that no code in the file runs."""

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _make_slice,
        }
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it contains {module}.{name}, which is not a tensor")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        _, dtype, key, *_ = pid
        return _Storage(key, dtype)


def _make_slice(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> _Slice:
    return _Slice(storage, offset, tuple(shape), tuple(strides))


def _read_storages(file: io.BytesIO, keys: list[str], slices: Mapping[str, _Slice]) -> "list[tuple[str, np.ndarray]]":
    dtypes = {part.storage.key: part.storage.dtype for part in slices.values()}
    read: Callable[[int], bytes] = file.read
    storages = []
    for key in keys:
        (count,) = struct.unpack("<q", read(8))
        storages.append((key, np.frombuffer(read(count * dtypes[key].itemsize), dtypes[key], count)))
    return storages


def _cut(storage: np.ndarray, part: _Slice) -> np.ndarray:
    """Return a tensor; converted weights are often stored in another order of axes than their shape."""
    steps = [np.arange(size) * stride for size, stride in zip(part.shape, part.strides, strict=True)]
    index = part.offset + sum(np.ix_(*steps), start=np.zeros((1,) * len(steps), np.int64))
    return storage[index].reshape(part.shape)
