"""Writes a fitted head behind a base's pooled features, as operators of the model itself.

What comes out is one .tflite with its labels inside that any TFLite runtime runs. Only operators that both runtimes
know and run with their accelerated kernels are used, so the base's own kernels stay as fast as they were:

    pooled → DEQUANTIZE → RESHAPE → RELU → SQRT = x
    x → FULLY_CONNECTED → SOFTMAX
    far:  x → SQUARED_DIFFERENCE (m) → FULLY_CONNECTED ┐
          x → FULLY_CONNECTED → MUL → FULLY_CONNECTED  ┴ ADD → LOGISTIC
    near: x → FULLY_CONNECTED = v → MUL → FULLY_CONNECTED  ┐
                                v → FULLY_CONNECTED → REDUCE_MAX ┴ ADD → LOGISTIC
    SOFTMAX · far · near

gate.py has the formulas; limits and softnesses go into weights and intercepts.
"""

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from appliance.workshop.training.base import Base
from appliance.workshop.training.gate import DiscriminantSpace, LogisticCutoff, PrincipalSubspace
from appliance.workshop.training.head import ClassifierHead
from appliance.workshop.training.tflite_graph import Graph, Op
from appliance.workshop.training.tflite_metadata import build_metadata, append_labels


def write_model(base: Base, head: ClassifierHead, name: str) -> bytes:
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
        factors = [_far(graph, x, head.gate.space, head.gate.far)]
        if head.gate.kinds is not None and head.gate.near is not None:
            factors.append(_near(graph, x, head.gate.kinds, head.gate.near))
        for factor in factors:
            scores = graph.add(Op.MUL, [scores, factor], shape, "scores", schema.MulOptionsT())
    metadata = build_metadata(name, base.mean or (127.5,), base.std or (127.5,))
    return append_labels(graph.pack(scores, name, metadata), head.labels)


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
        x = graph.add(Op.RESHAPE, [x, graph.add_constant(np.array(shape, np.int32), "shape")], shape, "flat", options)
    if lowest < 0:
        x = graph.add(Op.RELU, [x], shape, "positive")
    return graph.add(Op.SQRT, [x], shape, "rooted")


def _far(graph: Graph, x: int, space: PrincipalSubspace, slope: LogisticCutoff) -> int:
    size, count = space.components.shape
    squares = graph.add(
        Op.SQUARED_DIFFERENCE,
        [x, graph.add_constant(space.mean[np.newaxis].astype(np.float32), "mean")],
        (1, size),
        "far_squares",
        schema.SquaredDifferenceOptionsT(),
    )
    whole = _dense(graph, squares, np.full((1, size), -1 / slope.softness), [slope.limit / slope.softness], "far_whole")
    inside = _squares(graph, _dense(graph, x, space.components.T, -space.mean @ space.components, "far_inside"), count)
    inside = _dense(graph, inside, np.full((1, count), 1 / slope.softness), [0.0], "far_inside_sum")
    return _logistic(graph, whole, inside, "far")


def _near(graph: Graph, x: int, kinds: DiscriminantSpace, slope: LogisticCutoff) -> int:
    count = len(kinds.pulls)
    v = _dense(graph, x, kinds.directions.T, -kinds.mean @ kinds.directions, "near_place")
    spread = _dense(
        graph,
        _squares(graph, v, count),
        -kinds.pulls[np.newaxis] / slope.softness,
        [slope.limit / slope.softness],
        "near_spread",
    )
    norms = np.square(kinds.centres).sum(axis=1)
    pulls = _dense(graph, v, 2 * kinds.centres / slope.softness, -norms / slope.softness, "near_kinds")
    options = schema.ReducerOptionsT()
    options.keepDims = True
    nearest = graph.add(
        Op.REDUCE_MAX, [pulls, graph.add_constant(np.array([1], np.int32), "axis")], (1, 1), "nearest", options
    )
    return _logistic(graph, spread, nearest, "near")


def _squares(graph: Graph, values: int, count: int) -> int:
    return graph.add(Op.MUL, [values, values], (1, count), "squares", schema.MulOptionsT())


def _logistic(graph: Graph, one: int, other: int, name: str) -> int:
    return graph.add(
        Op.LOGISTIC, [graph.add(Op.ADD, [one, other], (1, 1), f"{name}_sum", schema.AddOptionsT())], (1, 1), name
    )


def _dense(graph: Graph, x: int, weights: np.ndarray, intercepts: np.ndarray | Sequence[float], name: str) -> int:
    """FULLY_CONNECTED with weights (outputs, inputs)."""
    inputs = [
        x,
        graph.add_constant(weights.astype(np.float32), f"{name}_weights"),
        graph.add_constant(np.asarray(intercepts, np.float32), f"{name}_intercepts"),
    ]
    return graph.add(Op.FULLY_CONNECTED, inputs, (1, len(weights)), name, schema.FullyConnectedOptionsT())
