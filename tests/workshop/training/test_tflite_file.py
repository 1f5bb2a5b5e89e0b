"""A .tflite file read as objects and written again: the same model, aligned; others are refused."""

import flatbuffers
import numpy as np
import pytest

from appliance.errors import BaseModelError
from appliance.labeling.interpreter import LoadedModel
from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.tflite_file import pack_model, parse_model
from support.tiny_models import metadata, tiny_model


def buffer_offsets(file):
    """The offsets of the buffers that have data."""
    model = schema.Model.GetRootAs(file)
    start = np.frombuffer(file, np.uint8).__array_interface__["data"][0]
    contents = [model.Buffers(index).DataAsNumpy() for index in range(model.BuffersLength())]
    return [data.__array_interface__["data"][0] - start for data in contents if not isinstance(data, int)]


def scores(file):
    model = LoadedModel(file, "made", "auto", 1)
    model.write(np.arange(144, dtype=np.uint8).reshape(1, 8, 6, 3))
    model.invoke()
    return model.read().tolist()


def pack_plainly(model):
    """Pack a model as the generated code does; ours never writes an offset."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_written_model_computes_what_was_read():
    original = tiny_model("uint8", metadata=metadata(threshold=0.4))
    written = pack_model(parse_model(original, "made"))
    assert written[4:8] == b"TFL3"
    assert scores(written) == scores(original)
    model = parse_model(written, "made")
    assert [bytes(buffer.data) if buffer.data is not None else b"" for buffer in model.buffers] == [
        bytes(buffer.data) if buffer.data is not None else b"" for buffer in parse_model(original, "made").buffers
    ]
    assert [entry.name for entry in model.metadata] == [b"TFLITE_METADATA"]


@pytest.mark.parametrize("size", [1, 15, 16, 17, 1001])
def test_every_buffer_is_aligned_to_16_bytes(size):
    model = parse_model(tiny_model(metadata=b"m" * 7), "made")
    model.buffers.append(schema.BufferT())
    model.buffers[-1].data = np.arange(size).astype(np.uint8)
    written = pack_model(model)
    offsets = buffer_offsets(written)
    assert len(offsets) == 3
    assert [offset % 16 for offset in offsets] == [0, 0, 0]
    assert parse_model(written, "made").buffers[-1].data.tolist() == model.buffers[-1].data.tolist()


def test_weights_larger_than_the_first_guess_are_written():
    model = parse_model(tiny_model(), "made")
    model.buffers.append(schema.BufferT())
    model.buffers[-1].data = np.random.default_rng(0).integers(0, 256, 3_000_000, np.uint8)
    again = parse_model(pack_model(model), "made")
    np.testing.assert_array_equal(again.buffers[-1].data, model.buffers[-1].data)


def test_packing_leaves_the_model_as_it_was_and_repeats():
    model = parse_model(tiny_model(), "made")
    buffers = list(model.buffers)
    first = pack_model(model)
    assert model.buffers == buffers
    assert pack_model(model) == first


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0" * 100, tiny_model()[:300], b"<!doctype html>" * 20])
def test_damaged_file_is_refused_by_its_name(content):
    with pytest.raises(BaseModelError, match=r"kitchen\.tflite"):
        parse_model(content, "kitchen.tflite")


def test_model_with_two_outputs_is_refused():
    with pytest.raises(BaseModelError, match="one output"):
        parse_model(tiny_model(outputs=2), "made")


@pytest.mark.parametrize("part", ["inputs", "operators", "subgraphs"])
def test_model_without_one_graph_and_input_is_refused(part):
    model = parse_model(tiny_model(), "made")
    if part == "subgraphs":
        model.subgraphs.append(model.subgraphs[0])
    else:
        setattr(model.subgraphs[0], part, [])
    with pytest.raises(BaseModelError, match="cannot"):
        parse_model(pack_model(model), "made")


def test_weights_outside_the_flatbuffer_are_refused():
    model = parse_model(tiny_model(), "made")
    buffers = model.buffers
    for offset in (1, 2):
        model.buffers = [*buffers, schema.BufferT()]
        model.buffers[-1].offset, model.buffers[-1].size = offset, 4
        content = pack_plainly(model)
        if offset == 1:  # 0 and 1 are placeholders (schema.fbs)
            parse_model(content, "made")
        else:
            with pytest.raises(BaseModelError, match="outside"):
                parse_model(content, "made")
