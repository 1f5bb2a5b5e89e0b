"""Append the bundled model's head to a graph: pooled features → logits → scores (see evidence_gate), all float32."""

import numpy as np

from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.tflite_graph import Graph, Op


def add_gated_head(graph: Graph, pooled: int, weights: np.ndarray, offsets: np.ndarray, bias: float) -> int:
    """Append logits, softmax, and the evidence gate.

    If p is the share of the labels in a softmax over all outputs, acceptance = p² / (p² + ((1 − p) · exp(bias))²).

    Args:
        graph: The graph.
        pooled: The graph's tensor of pooled features.
        weights: (labels + 1, features), with the background's last.
        offsets: (labels + 1,).
        bias: The evidence at which the acceptance is 0.5.

    Returns:
        The tensor of scores, (1, labels + 1), with the background's last.
    """
    count = len(offsets)
    logits = add_dense(graph, pooled, weights, offsets, "logits")
    all_shares = _add_softmax(graph, logits, "all_shares", count)
    is_label = np.array([[1.0] * (count - 1) + [0.0]])
    flower = add_dense(graph, all_shares, is_label, np.zeros(1), "flower")
    other = add_dense(graph, all_shares, (1 - is_label) * np.exp(bias), np.zeros(1), "other")
    # One of the two is at least 0.5, so their sum is never 0.
    evidence = graph.add(Op.MUL, [flower, flower], (1, 1), "evidence", schema.MulOptionsT())
    against = graph.add(Op.MUL, [other, other], (1, 1), "against", schema.MulOptionsT())
    total = graph.add(Op.ADD, [evidence, against], (1, 1), "total", schema.AddOptionsT())
    acceptance = graph.add(Op.DIV, [evidence, total], (1, 1), "acceptance", schema.DivOptionsT())
    background = graph.add(Op.DIV, [against, total], (1, 1), "background", schema.DivOptionsT())
    label_logits = add_dense(graph, pooled, weights[:-1], offsets[:-1], "label_logits")
    shares = _add_softmax(graph, label_logits, "shares", count - 1)
    labels = graph.add(Op.MUL, [shares, acceptance], (1, count - 1), "labels", schema.MulOptionsT())
    options = schema.ConcatenationOptionsT()
    options.axis = 1
    return graph.add(Op.CONCATENATION, [labels, background], (1, count), "gated", options)


def add_dense(graph: Graph, signal: int, weights: np.ndarray, offsets: np.ndarray, name: str) -> int:
    """Append FULLY_CONNECTED with weights (outputs, inputs) and offsets (outputs,)."""
    inputs = [
        signal,
        graph.add_constant(weights.astype(np.float32), f"{name}/weights"),
        graph.add_constant(offsets.astype(np.float32), f"{name}/bias"),
    ]
    return graph.add(Op.FULLY_CONNECTED, inputs, (1, len(offsets)), name, schema.FullyConnectedOptionsT())


def _add_softmax(graph: Graph, logits: int, name: str, count: int) -> int:
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return graph.add(Op.SOFTMAX, [logits], (1, count), name, options)
