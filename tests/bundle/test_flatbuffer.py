"""The flatbuffer reader: fields and defaults, and no offset that points outside of the bytes is followed."""

import struct

import flatbuffers
import pytest

from appliance.bundle.flatbuffer import MalformedError, read_root


def example() -> bytes:
    """Return a table with identifier TEST: 0 a number, 1 a string, 2 a vector of floats, 3 absent."""
    builder = flatbuffers.Builder(64)
    name = builder.CreateString("größe")
    builder.StartVector(4, 2, 4)
    for value in (2.5, 1.5):
        builder.PrependFloat32(value)
    values = builder.EndVector()
    builder.StartObject(4)
    builder.PrependInt32Slot(0, 42, 0)
    builder.PrependUOffsetTRelativeSlot(1, name, 0)
    builder.PrependUOffsetTRelativeSlot(2, values, 0)
    builder.Finish(builder.EndObject(), b"TEST")
    return bytes(builder.Output())


def test_fields_and_defaults():
    table = read_root(example(), b"TEST")
    assert table.read_scalar(0, "i") == 42 and table.read_text(1) == "größe"
    assert table.read_numbers(2, "<f4").tolist() == [1.5, 2.5]
    assert table.read_scalar(3, "i", 7) == 7 and table.read_text(3) is None and table.read_table(3) is None
    assert table.read_tables(3) == [] and table.read_numbers(3, "<f4").size == 0
    assert table.read_text(9) is None


def test_another_kind_of_file():
    with pytest.raises(MalformedError, match="identifier is not M001"):
        read_root(example(), b"M001")


def test_an_offset_before_the_beginning_is_not_followed():
    # Python would read it from the end of the bytes.
    data = bytearray(example())
    position = struct.unpack_from("<I", data)[0]
    struct.pack_into("<i", data, position, position + 4)
    with pytest.raises(MalformedError, match="points outside"):
        read_root(bytes(data), b"TEST").read_text(1)


def test_an_offset_and_a_length_beyond_the_end_are_not_followed():
    with pytest.raises(MalformedError, match="points outside"):
        read_root(b"\xff\xff\xff\x7fTEST", b"TEST").read_text(1)
    data = bytearray(example())
    data[data.index("größe".encode()) - 4] = 0xFF
    with pytest.raises(MalformedError, match="beyond the end"):
        read_root(bytes(data), b"TEST").read_text(1)
