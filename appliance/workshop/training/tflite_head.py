"""Append a fitted head to a base's features, as operators of the model itself.

The result is a single .tflite, with its labels inside, that any TFLite runtime can run. Only operators are used that
both runtimes support with their accelerated kernels, so the base runs as fast as before:

    pooled → DEQUANTIZE → RESHAPE → RELU → SQRT                   ┐
    layer  → DEQUANTIZE → AVERAGE_POOL_2D (quarters) → RESHAPE ┴ CONCATENATION → SUB → MUL = x
    x → FULLY_CONNECTED → SOFTMAX (LOGISTIC, if pictures have several labels; then nothing else follows)
    far:  x → SQUARED_DIFFERENCE (m) → FULLY_CONNECTED ┐
          x → FULLY_CONNECTED → MUL → FULLY_CONNECTED  ┴ ADD → LOGISTIC
    near: x → FULLY_CONNECTED = v → MUL → FULLY_CONNECTED  ┐
                                v → FULLY_CONNECTED → REDUCE_MAX ┴ ADD → LOGISTIC
    SOFTMAX · far · near

stages.py and head_input.py describe the first two lines, gate.py contains the formulas; the limits and softnesses are
included in the weights and intercepts.
"""

from collections.abc import Sequence

import numpy as np

from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.base import Base
from appliance.workshop.training.gate import DiscriminantSpace, LogisticCutoff, PrincipalSubspace
from appliance.workshop.training.head import ClassifierHead
from appliance.workshop.training.head_input import HeadInput
from appliance.workshop.training.multi_label.head import IndependentHead
from appliance.workshop.training.stages import join_rows
from appliance.workshop.training.tflite_graph import Graph, Op
from appliance.workshop.training.tflite_metadata import append_labels, build_metadata


def write_model(base: Base, head_input: HeadInput, head: ClassifierHead | IndependentHead, name: str) -> bytes:
    """Return the base with the appended head, as a .tflite file with its labels inside.

    Args:
        base: The base whose features the head was fitted to.
        head_input: The features that the head uses; the model computes no others.
        head: The head.
        name: The model's name, for its metadata.
    """
    graph = Graph.parse(base.trunk, base.display_name)
    x = _add_head_input(graph, head_input)
    scores = _add_dense(graph, x, head.weights, head.intercepts, "logits")
    shape = (1, len(head.labels))
    if isinstance(head, IndependentHead):
        scores = graph.add(Op.LOGISTIC, [scores], shape, "sigmoid")
    else:
        softmax = schema.SoftmaxOptionsT()
        softmax.beta = 1.0
        scores = graph.add(Op.SOFTMAX, [scores], shape, "softmax", softmax)
    if isinstance(head, ClassifierHead) and head.gate is not None:
        factors = [_add_far(graph, x, head.gate.subspace, head.gate.far)]
        if head.gate.discriminants is not None and head.gate.near is not None:
            factors.append(_add_near(graph, x, head.gate.discriminants, head.gate.near))
        for factor in factors:
            scores = graph.add(Op.MUL, [scores, factor], shape, "scores", schema.MulOptionsT())
    metadata = build_metadata(name, base.mean or (127.5,), base.std or (127.5,))
    return append_labels(graph.pack([scores], name, metadata), head.labels)


def _add_head_input(graph: Graph, head_input: HeadInput) -> int:
    """Cut the trunk at the features that are used, and append what HeadInput.convert computes."""
    tensors = graph.cut(*(group.tensor for group in head_input.groups))
    rows = [
        _add_root(graph, tensor) if group.is_pooled else tensor
        for group, tensor in zip(head_input.groups, tensors, strict=True)
    ]
    x, shape = join_rows(graph, rows), (1, head_input.size)
    mean = graph.add_constant(head_input.mean[np.newaxis].astype(np.float32), "means")
    factor = graph.add_constant(head_input.factor[np.newaxis].astype(np.float32), "factors")
    x = graph.add(Op.SUB, [x, mean], shape, "shifted", schema.SubOptionsT())
    return graph.add(Op.MUL, [x, factor], shape, "standardized", schema.MulOptionsT())


def _add_root(graph: Graph, row: int) -> int:
    shape = graph.get_shape(row)
    return graph.add(Op.SQRT, [graph.add(Op.RELU, [row], shape, "positive")], shape, "rooted")


def _add_far(graph: Graph, x: int, space: PrincipalSubspace, cutoff: LogisticCutoff) -> int:
    size, count = space.components.shape
    squares = graph.add(
        Op.SQUARED_DIFFERENCE,
        [x, graph.add_constant(space.mean[np.newaxis].astype(np.float32), "mean")],
        (1, size),
        "far_squares",
        schema.SquaredDifferenceOptionsT(),
    )
    whole = _add_dense(
        graph, squares, np.full((1, size), -1 / cutoff.softness), [cutoff.limit / cutoff.softness], "far_whole"
    )
    projection = _add_dense(graph, x, space.components.T, -space.mean @ space.components, "far_inside")
    inside = _add_squares(graph, projection, count)
    inside = _add_dense(graph, inside, np.full((1, count), 1 / cutoff.softness), [0.0], "far_inside_sum")
    return _add_logistic(graph, whole, inside, "far")


def _add_near(graph: Graph, x: int, space: DiscriminantSpace, cutoff: LogisticCutoff) -> int:
    count = len(space.ratios)
    v = _add_dense(graph, x, space.directions.T, -space.mean @ space.directions, "near_place")
    spread = _add_dense(
        graph,
        _add_squares(graph, v, count),
        -space.ratios[np.newaxis] / cutoff.softness,
        [cutoff.limit / cutoff.softness],
        "near_spread",
    )
    norms = np.square(space.centers).sum(axis=1)
    centers = _add_dense(graph, v, 2 * space.centers / cutoff.softness, -norms / cutoff.softness, "near_kinds")
    options = schema.ReducerOptionsT()
    options.keepDims = True
    axis = graph.add_constant(np.array([1], np.int32), "axis")
    nearest = graph.add(Op.REDUCE_MAX, [centers, axis], (1, 1), "nearest", options)
    return _add_logistic(graph, spread, nearest, "near")


def _add_squares(graph: Graph, values: int, count: int) -> int:
    return graph.add(Op.MUL, [values, values], (1, count), "squares", schema.MulOptionsT())


def _add_logistic(graph: Graph, one: int, other: int, name: str) -> int:
    total = graph.add(Op.ADD, [one, other], (1, 1), f"{name}_sum", schema.AddOptionsT())
    return graph.add(Op.LOGISTIC, [total], (1, 1), name)


def _add_dense(graph: Graph, x: int, weights: np.ndarray, intercepts: np.ndarray | Sequence[float], name: str) -> int:
    """Add FULLY_CONNECTED with weights (outputs, inputs)."""
    inputs = [
        x,
        graph.add_constant(weights.astype(np.float32), f"{name}_weights"),
        graph.add_constant(np.asarray(intercepts, np.float32), f"{name}_intercepts"),
    ]
    return graph.add(Op.FULLY_CONNECTED, inputs, (1, len(weights)), name, schema.FullyConnectedOptionsT())
