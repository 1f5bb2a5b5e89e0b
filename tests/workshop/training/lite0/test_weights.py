"""Reading PyTorch's old format: strides are obeyed, and nothing but tensors is created."""

import io
import pickle
import struct

import numpy as np
import pytest

from appliance.errors import BaseModelError
from appliance.workshop.training.lite0.weights import read_weights


class Storage:
    """Pickled as PyTorch does: by a persistent id."""

    def __init__(self, key):
        self.key = key


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        return ("storage", FloatStorage, obj.key, "cpu", 6, None) if isinstance(obj, Storage) else None


class FloatStorage:
    pass


class Tensor:
    def __init__(self, *values):
        self.values = values

    def __reduce__(self):
        return _rebuild_tensor_v2, self.values


def _rebuild_tensor_v2(*values):
    return Tensor(*values)


FloatStorage.__module__ = "torch"
_rebuild_tensor_v2.__module__ = "torch._utils"


def write(tensors, magic=0x1950A86A20F9469CFC6C, numbers=range(6)):
    file = io.BytesIO()
    for value in (magic, 1001, {}):
        pickle.dump(value, file, 2)
    Pickler(file, 2).dump(tensors)
    pickle.dump(["a"], file, 2)
    values = np.array(numbers, "<f4")
    return file.getvalue() + struct.pack("<q", len(values)) + values.tobytes()


@pytest.fixture(autouse=True)
def torch_names(monkeypatch):
    """Let pickle find the names under which it writes them."""
    import sys
    import types

    for name, value in (("torch", FloatStorage), ("torch._utils", _rebuild_tensor_v2)):
        module = types.ModuleType(name)
        setattr(module, value.__name__, value)
        monkeypatch.setitem(sys.modules, name, module)


def test_tensor_has_its_shape_and_order():
    weights = read_weights(write({"plain": Tensor(Storage("a"), 0, (2, 3), (3, 1), False, {})}))
    assert weights["plain"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_strides_are_obeyed():
    weights = read_weights(write({"turned": Tensor(Storage("a"), 0, (3, 2), (1, 3), False, {})}))
    assert weights["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_part_of_a_storage_begins_at_its_offset():
    weights = read_weights(write({"part": Tensor(Storage("a"), 4, (2,), (1,), False, {})}))
    assert weights["part"].tolist() == [4, 5]


def test_code_in_the_file_does_not_run():
    with pytest.raises(BaseModelError, match="not a tensor"):
        read_weights(write({"call": print}))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", write({}, magic=1), write({})[:-10]])
def test_other_or_damaged_file_gets_a_sentence(content):
    with pytest.raises(BaseModelError, match="weights"):
        read_weights(content)
