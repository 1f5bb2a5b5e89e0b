"""Cutting and growing graphs: nothing else changes."""

import numpy as np
import pytest

from appliance.errors import BaseModelError
from appliance.labeling.interpreter import LoadedModel
from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.base import open_base
from appliance.workshop.training.stages import find_pooled
from appliance.workshop.training.tflite_graph import Graph, Op, TensorFormat
from appliance.workshop.training.tflite_head import write_model
from appliance.workshop.training.tflite_metadata import append_labels
from support.heads import full_input, random_head
from support.tiny_models import tiny_model


def test_written_model_has_no_leftovers_and_aligned_buffers(data):
    base = open_base(data / "models" / "mlkit_object_labeler.tflite")
    model = write_model(base, full_input(base), random_head(np.ones((2, base.size))), "new")
    flat = schema.Model.GetRootAs(model, 0)
    read = schema.ModelT.InitFromObj(flat)
    graph = read.subgraphs[0]
    used = {int(index) for operator in graph.operators for index in (*operator.inputs, *operator.outputs)}
    assert used == set(range(len(graph.tensors)))
    assert {operator.opcodeIndex for operator in graph.operators} == set(range(len(read.operatorCodes)))
    held = {tensor.buffer for tensor in graph.tensors} | {entry.buffer for entry in read.metadata}
    assert held | {0} == set(range(len(read.buffers)))
    assert read.buffers[0].data is None
    assert [entry.name for entry in read.metadata] == [b"TFLITE_METADATA"]
    assert not read.signatureDefs
    for index in range(flat.BuffersLength()):
        data_of = flat.Buffers(index).DataAsNumpy()
        if not isinstance(data_of, int) and data_of.size:
            offset = (
                data_of.__array_interface__["data"][0] - np.frombuffer(model, np.uint8).__array_interface__["data"][0]
            )
            assert offset % 16 == 0


def test_bypassed_average_is_not_the_pooled_features(tmp_path):
    graph = Graph.parse(tiny_model(ending=None), "made")
    mean = find_pooled(graph, "made").tensor
    # As in squeeze and excitation: the picture itself bypasses the average.
    product = graph.add(Op.MUL, [0, mean], (1, 8, 6, 3), "product", schema.MulOptionsT())
    (tmp_path / "base.tflite").write_bytes(graph.pack([product], "made"))
    with pytest.raises(BaseModelError, match="no layer that averages its features"):
        open_base(tmp_path / "base.tflite")


def test_created_graph_computes_its_operators():
    """(byte − 128) / 128 through int8 and a fully connected layer of float32, in the runtime that serves."""
    graph = Graph.create("test")
    picture = graph.add_input((1, 8), "picture", TensorFormat(np.dtype(np.uint8), 1 / 128, 128))
    int8 = TensorFormat(np.dtype(np.int8), 1 / 128)
    options = schema.QuantizeOptionsT()
    centered = graph.add(Op.QUANTIZE, [picture], (1, 8), "centered", options, version=2, stored=int8)
    values = graph.add(Op.DEQUANTIZE, [centered], (1, 8), "values", schema.DequantizeOptionsT(), version=2)
    rng = np.random.default_rng(0)
    weights, bias = rng.standard_normal((3, 8)).astype(np.float32), rng.standard_normal(3).astype(np.float32)
    inputs = [values, graph.add_constant(weights, "weights"), graph.add_constant(bias, "bias")]
    sums = graph.add(Op.FULLY_CONNECTED, inputs, (1, 3), "sums", schema.FullyConnectedOptionsT())
    model = LoadedModel(append_labels(graph.pack([sums], "test"), ("a", "b", "c")), "test", "auto", 1)
    pixels = rng.integers(0, 256, (1, 8), np.uint8)
    model.write(pixels)
    model.invoke()
    assert model.read()[0] == pytest.approx(weights @ ((pixels[0].astype(np.float32) - 128) / 128) + bias, abs=1e-5)


def test_created_graph_stores_quantization_and_aligned_constants():
    graph = Graph.create("test")
    picture = graph.add_input((1, 2), "picture", TensorFormat(np.dtype(np.uint8), 0.5, 7))
    weights = graph.add_constant(np.array([[1, 2], [3, 4], [5, 6]], np.int8), "weights", np.array([0.25, 0.5, 1]))
    output = graph.add(Op.FULLY_CONNECTED, [picture, weights], (1, 3), "out", version=4)
    file = graph.pack([output], "test")

    model = schema.Model.GetRootAs(file)
    read = schema.ModelT.InitFromObj(model)
    tensors = read.subgraphs[0].tensors
    assert (tensors[picture].quantization.scale, tensors[picture].quantization.zeroPoint) == ([0.5], [7])
    assert list(tensors[weights].quantization.scale) == [0.25, 0.5, 1]
    assert list(tensors[weights].quantization.zeroPoint) == [0, 0, 0]
    assert tensors[output].quantization is None
    assert read.operatorCodes[0].builtinCode == read.operatorCodes[0].deprecatedBuiltinCode == Op.FULLY_CONNECTED
    assert read.operatorCodes[0].version == 4
    buffer = model.Buffers(tensors[weights].buffer)
    assert buffer.DataAsNumpy().tolist() == [1, 2, 3, 4, 5, 6]
    assert buffer._tab.Vector(buffer._tab.Offset(4)) % 16 == 0


def test_graph_cut_at_two_tensors_has_both_outputs():
    graph = Graph.create("test")
    signal = graph.add_input((1, 4), "signal")
    doubled = graph.add(Op.ADD, [signal, signal], (1, 4), "doubled", schema.AddOptionsT())
    squared = graph.add(Op.MUL, [doubled, doubled], (1, 4), "squared", schema.MulOptionsT())
    graph.add(Op.LOGISTIC, [squared], (1, 4), "unused")
    assert graph.get_source(squared) == doubled
    assert graph.get_shape(squared) == (1, 4)

    outputs = graph.cut(squared, doubled)

    model = LoadedModel(graph.pack(outputs, "test"), "test", "auto", 1)
    assert len(model.outputs) == 2
    model.write(np.array([[1, 2, 3, 4]], np.float32))
    model.invoke()
    assert model.read()[0].tolist() == [4, 16, 36, 64]
    assert model.read(1)[0].tolist() == [2, 4, 6, 8]
