"""Writes a fitted head behind a base's pooled features, as operators of the model itself.

What comes out is one .tflite with its labels inside that any TFLite runtime runs. Only operators that both runtimes
know and run with their accelerated kernels are used, so the base's own kernels stay as fast as they were:

    pooled → DEQUANTIZE → RESHAPE → RELU → SQRT = x
    x → FULLY_CONNECTED → SOFTMAX
    x → SQUARED_DIFFERENCE (m) → FULLY_CONNECTED ┐
    x → FULLY_CONNECTED (Uᵀ) → MUL → FULLY_CONNECTED ┴ ADD → LOGISTIC = (q − d) / s, as head.py has it
    SOFTMAX · LOGISTIC
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from appliance.workshop.base import Base
from appliance.workshop.graph import Graph, Op
from appliance.workshop.head import Gate, Head
from appliance.workshop.packed import classifier_metadata, with_labels


def write_model(base: Base, head: Head, name: str) -> bytes:
    """The base with the head behind it, as a .tflite file with its labels inside.

    Args:
        base: What the head was fitted on.
        head: The head.
        name: The model's name, in its metadata.
    """
    graph = Graph(base.trunk, base.shown)
    x = _rooted(graph, base)
    scores = _dense(graph, x, head.weights, head.intercepts, "logits")
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    shape = (1, len(head.labels))
    scores = graph.add(Op.SOFTMAX, [scores], shape, "softmax", softmax)
    if head.gate is not None:
        gate = _gate(graph, x, head.gate)
        scores = graph.add(Op.MUL, [scores, gate], shape, "scores", schema.MulOptionsT())
    metadata = classifier_metadata(name, base.mean or (127.5,), base.std or (127.5,))
    return with_labels(graph.pack(scores, name, metadata), head.labels)


def _rooted(graph: Graph, base: Base) -> int:
    pooled = base.pooled
    x, lowest = pooled.index, -1.0
    if pooled.dtype != np.float32:
        # The operator knows int8 since its version 2.
        version = 2 if pooled.dtype == np.int8 else 1
        x = graph.add(Op.DEQUANTIZE, [x], pooled.shape, "features", schema.DequantizeOptionsT(), version)
        lowest = (np.iinfo(pooled.dtype).min - pooled.zero_point) * pooled.scale
    shape = (1, pooled.size)
    if len(pooled.shape) != 2:
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        x = graph.add(Op.RESHAPE, [x, graph.constant(np.array(shape, np.int32), "shape")], shape, "flat", options)
    if lowest < 0:
        x = graph.add(Op.RELU, [x], shape, "positive")
    return graph.add(Op.SQRT, [x], shape, "rooted")


def _gate(graph: Graph, x: int, gate: Gate) -> int:
    size, count = gate.components.shape
    squares = graph.add(
        Op.SQUARED_DIFFERENCE,
        [x, graph.constant(gate.mean[np.newaxis].astype(np.float32), "mean")],
        (1, size),
        "squares",
        schema.SquaredDifferenceOptionsT(),
    )
    whole = _dense(graph, squares, np.full((1, size), -1 / gate.softness), np.array([gate.limit / gate.softness]), "whole")
    along = _dense(graph, x, gate.components.T, -gate.mean @ gate.components, "along")
    along = graph.add(Op.MUL, [along, along], (1, count), "along_squares", schema.MulOptionsT())
    inside = _dense(graph, along, np.full((1, count), 1 / gate.softness), np.zeros(1), "inside")
    nearness = graph.add(Op.ADD, [whole, inside], (1, 1), "nearness", schema.AddOptionsT())
    return graph.add(Op.LOGISTIC, [nearness], (1, 1), "gate")


def _dense(graph: Graph, x: int, weights: np.ndarray, intercepts: np.ndarray, name: str) -> int:
    """FULLY_CONNECTED with weights (outputs, inputs)."""
    inputs = [
        x,
        graph.constant(weights.astype(np.float32), f"{name}_weights"),
        graph.constant(intercepts.astype(np.float32), f"{name}_intercepts"),
    ]
    return graph.add(Op.FULLY_CONNECTED, inputs, (1, len(weights)), name, schema.FullyConnectedOptionsT())
