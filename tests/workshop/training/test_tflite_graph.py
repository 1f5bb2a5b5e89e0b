"""Cutting and growing graphs: nothing else changes."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from appliance.errors import BaseModelError
from appliance.workshop.training.base import open_base
from appliance.workshop.training.tflite_graph import Graph, Op
from appliance.workshop.training.tflite_head import write_model
from support.heads import random_head
from support.tiny_models import tiny_model


def test_written_model_has_no_leftovers_and_aligned_buffers(data):
    base = open_base(data / "models" / "mlkit_object_labeler.tflite")
    model = write_model(base, random_head(np.ones((2, base.pooled.size))), "new")
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
    graph = Graph(tiny_model(ending=None), "made")
    mean = graph.find_pooled().index
    # As in squeeze and excitation: the picture itself bypasses the average.
    product = graph.add(Op.MUL, [0, mean], (1, 8, 6, 3), "product", schema.MulOptionsT())
    (tmp_path / "base.tflite").write_bytes(graph.pack(product, "made"))
    with pytest.raises(BaseModelError, match="no layer that averages its features"):
        open_base(tmp_path / "base.tflite")
