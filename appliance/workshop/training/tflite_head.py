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

If the base is fine-tuned, the SOFTMAX is that of the sum of two FULLY_CONNECTED, of x and of the fine-tuned features
(see tuned_head.py).

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
from appliance.workshop.training.tuned_head import TunedHead


def write_model(
    base: Base, head_input: HeadInput, head: ClassifierHead | IndependentHead | TunedHead, name: str
) -> bytes:
    """Return the base with the appended head, as a .tflite file with its labels inside.

    Args:
        base: The base whose features the head was fitted to.
        head_input: The features that the head uses; the model computes no others.
        head: The head.
        name: The model's name, for its metadata.
    """
    graph = Graph.parse(base.trunk, base.display_name)
    tensors = graph.cut(*(group.tensor for group in head_input.groups))
    if isinstance(head, TunedHead):
        scores = _add_tuned_scores(graph, _add_head_input(graph, head_input.published, tensors[:-1]), tensors[-1], head)
    elif isinstance(head, IndependentHead):
        x = _add_head_input(graph, head_input, tensors)
        logits = _add_dense(graph, x, head.weights, head.intercepts, "logits")
        scores = graph.add(Op.LOGISTIC, [logits], (1, len(head.labels)), "sigmoid")
    else:
        scores = _add_scores(graph, _add_head_input(graph, head_input, tensors), head)
    metadata = build_metadata(name, base.mean or (127.5,), base.std or (127.5,))
    return append_labels(graph.pack([scores], name, metadata), head.labels)


def _add_scores(graph: Graph, x: int, head: ClassifierHead) -> int:
    """Append ClassifierHead.score, (1, labels)."""
    logits = _add_logits(graph, x, head)
    return _multiply(graph, _add_softmax(graph, logits), _add_acceptance(graph, x, logits, head))


def _add_tuned_scores(graph: Graph, published: int, tuned: int, head: TunedHead) -> int:
    """Append TunedHead.score, (1, labels)."""
    own, count = head.published, len(head.labels)
    factors = _add_acceptance(graph, published, _add_logits(graph, published, own), own)
    # The published ones come first: the search for the features of a base follows the first term (see stages.py).
    terms = [
        _add_dense(graph, published, own.weights[:count] * head.factor, own.intercepts[:count] * head.factor, "logits"),
        _add_dense(graph, tuned, head.tuned.weights, head.tuned.intercepts, "tuned_logits"),
    ]
    logits = graph.add(Op.ADD, terms, (1, count), "all_logits", schema.AddOptionsT())
    return _multiply(graph, _add_softmax(graph, logits), factors)


def _add_logits(graph: Graph, x: int, head: ClassifierHead) -> int:
    """Append the logits of the labels, minus that of the bank's class if it has one of its own."""
    weights, intercepts, count = head.weights, head.intercepts, len(head.labels)
    if len(weights) > count:
        weights, intercepts = weights[:count] - weights[count], intercepts[:count] - intercepts[count]
    return _add_dense(graph, x, weights, intercepts, "logits")


def _add_acceptance(graph: Graph, x: int, logits: int, head: ClassifierHead) -> list[int]:
    """Append the factors whose product is ClassifierHead.accept, for the logits of `_add_logits`."""
    factors = [_add_label_probability(graph, logits)] if len(head.weights) > len(head.labels) else []
    return factors if head.gate is None else [*factors, _add_gate(graph, x, head.gate)]


def _add_softmax(graph: Graph, logits: int) -> int:
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return graph.add(Op.SOFTMAX, [logits], graph.get_shape(logits), "softmax", options)


def _multiply(graph: Graph, scores: int, factors: Sequence[int]) -> int:
    for factor in factors:
        scores = graph.add(Op.MUL, [scores, factor], graph.get_shape(scores), "scores", schema.MulOptionsT())
    return scores


def _add_head_input(graph: Graph, head_input: HeadInput, tensors: Sequence[int]) -> int:
    """Append what HeadInput.convert computes from the features of its groups, which are in these tensors."""
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


def _add_label_probability(graph: Graph, differences: int) -> int:
    """Append logistic(log Σ exp u), (1, 1), for the differences u between the logits of the labels and another one."""
    options, shape = schema.ReducerOptionsT(), graph.get_shape(differences)
    options.keepDims = True
    axis = graph.add_constant(np.array([1], np.int32), "axis")
    largest = graph.add(Op.REDUCE_MAX, [differences, axis], (1, 1), "largest", options)
    # Without the largest one, no power is too large for a float32.
    powers = graph.add(Op.SUB, [differences, largest], shape, "below_largest", schema.SubOptionsT())
    powers = graph.add(Op.EXP, [powers], shape, "powers")
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
