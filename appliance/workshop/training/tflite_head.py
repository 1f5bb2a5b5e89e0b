"""Append a fitted head to a base's features, as operators of the model itself.

The result is a single .tflite, with its labels inside, that any TFLite runtime can run. Only operators are used that
both runtimes support with their accelerated kernels, so the base runs as fast as before:

    pooled → DEQUANTIZE → RESHAPE → RELU → SQRT                   ┐
    layer  → DEQUANTIZE → AVERAGE_POOL_2D (quarters) → RESHAPE ┴ CONCATENATION → SUB → MUL = x
    x → FULLY_CONNECTED = u → SOFTMAX (LOGISTIC, if pictures have several labels; then nothing else follows)
    u → REDUCE_MAX, SUB, EXP, SUM, LOG, ADD = log Σ exp u → LOGISTIC
    x → SQUARED_DIFFERENCE (m) → FULLY_CONNECTED ┐
    x → FULLY_CONNECTED → MUL → FULLY_CONNECTED  ┴ ADD → ADD (a limit for each label) → LOGISTIC
    SOFTMAX · LOGISTIC · LOGISTIC

If the background bank has a class of its own, u is the logits minus that of this class. Then the second line is the
probability of all labels together, and its product with the softmax of the labels is their softmax beside that class. A
SLICE of one softmax would be shorter, but released devices recognize probabilities only as products of such outputs.

stages.py and head_input.py describe the first two lines, gate.py contains the formulas; the softness and
the calibration are included in the weights and intercepts.
"""

from collections.abc import Sequence

import numpy as np

from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.base import Base
from appliance.workshop.training.gate import RejectionGate
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
    weights, intercepts, count = head.weights, head.intercepts, len(head.labels)
    has_other_class = len(weights) > count
    if has_other_class:
        weights, intercepts = weights[:count] - weights[count], intercepts[:count] - intercepts[count]
    logits = _add_dense(graph, x, weights, intercepts, "logits")
    if isinstance(head, IndependentHead):
        scores = graph.add(Op.LOGISTIC, [logits], (1, count), "sigmoid")
    else:
        softmax = schema.SoftmaxOptionsT()
        softmax.beta = 1.0
        scores = graph.add(Op.SOFTMAX, [logits], (1, count), "softmax", softmax)
        factors = [_add_label_probability(graph, logits, count)] if has_other_class else []
        factors += [] if head.gate is None else [_add_gate(graph, x, head.gate)]
        for factor in factors:
            scores = graph.add(Op.MUL, [scores, factor], (1, count), "scores", schema.MulOptionsT())
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


def _add_label_probability(graph: Graph, differences: int, count: int) -> int:
    """Append logistic(log Σ exp u), (1, 1), for the differences u between the logits of the labels and another one."""
    options = schema.ReducerOptionsT()
    options.keepDims = True
    axis = graph.add_constant(np.array([1], np.int32), "axis")
    largest = graph.add(Op.REDUCE_MAX, [differences, axis], (1, 1), "largest", options)
    # Without the largest one, no power is too large for a float32.
    powers = graph.add(Op.SUB, [differences, largest], (1, count), "below_largest", schema.SubOptionsT())
    powers = graph.add(Op.EXP, [powers], (1, count), "powers")
    total = graph.add(Op.LOG, [graph.add(Op.SUM, [powers, axis], (1, 1), "sum", options)], (1, 1), "log_sum")
    total = graph.add(Op.ADD, [total, largest], (1, 1), "log_sum_exp", schema.AddOptionsT())
    return graph.add(Op.LOGISTIC, [total], (1, 1), "label_probability")


def _add_gate(graph: Graph, x: int, gate: RejectionGate) -> int:
    """Append RejectionGate.acceptance, (1, labels)."""
    space, softness = gate.subspace, gate.softness
    size, count = space.components.shape
    squares = graph.add(
        Op.SQUARED_DIFFERENCE,
        [x, graph.add_constant(space.mean[np.newaxis].astype(np.float32), "mean")],
        (1, size),
        "squares",
        schema.SquaredDifferenceOptionsT(),
    )
    whole = _add_dense(graph, squares, np.full((1, size), -1 / softness), [0.0], "whole")
    projection = _add_dense(graph, x, space.components.T, -space.mean @ space.components, "inside")
    inside = _add_squares(graph, projection, count)
    inside = _add_dense(graph, inside, np.full((1, count), 1 / softness), [0.0], "inside_sum")
    nearness = graph.add(Op.ADD, [whole, inside], (1, 1), "nearness", schema.AddOptionsT())
    limits = graph.add_constant((gate.limits / softness)[np.newaxis].astype(np.float32), "limits")
    shape = (1, len(gate.limits))
    margins = graph.add(Op.ADD, [nearness, limits], shape, "margins", schema.AddOptionsT())
    return graph.add(Op.LOGISTIC, [margins], shape, "acceptance")


def _add_squares(graph: Graph, values: int, count: int) -> int:
    return graph.add(Op.MUL, [values, values], (1, count), "squares", schema.MulOptionsT())


def _add_dense(graph: Graph, x: int, weights: np.ndarray, intercepts: np.ndarray | Sequence[float], name: str) -> int:
    """Add FULLY_CONNECTED with weights (outputs, inputs)."""
    inputs = [
        x,
        graph.add_constant(weights.astype(np.float32), f"{name}_weights"),
        graph.add_constant(np.asarray(intercepts, np.float32), f"{name}_intercepts"),
    ]
    return graph.add(Op.FULLY_CONNECTED, inputs, (1, len(weights)), name, schema.FullyConnectedOptionsT())
