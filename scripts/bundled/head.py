"""Writes the bundled model's head: pooled features → logits → the scores of evidence.gated, all float32."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from writer import Writer

Array = np.ndarray


def gated_head(writer: Writer, pooled: int, weights: Array, offsets: Array, bias: float) -> int:
    """The tensor with the scores, (1, labels + 1), the background's last.

    With p what the softmax over all gives to the labels, openness = p² / (p² + ((1 − p) · exp(bias))²).

    Args:
        writer: The model that grows.
        pooled: Its tensor of pooled features.
        weights: (labels + 1, features).
        offsets: (labels + 1,).
        bias: How much evidence opens the gate halfway.
    """
    count = len(offsets)
    all_shares = _softmax(writer, connect(writer, pooled, weights, offsets, "logits"), "all_shares", count)
    is_label = np.array([[1.0] * (count - 1) + [0.0]])
    some = connect(writer, all_shares, is_label, np.zeros(1), "some")
    none = connect(writer, all_shares, (1 - is_label) * np.exp(bias), np.zeros(1), "none")
    # One of the two is at least a half, so their sum is never 0.
    for_it = writer.operator("MUL", [some, some], writer.tensor("for_it", (1, 1)), schema.MulOptionsT())
    against = writer.operator("MUL", [none, none], writer.tensor("against", (1, 1)), schema.MulOptionsT())
    both = writer.operator("ADD", [for_it, against], writer.tensor("both", (1, 1)), schema.AddOptionsT())
    opened = writer.operator("DIV", [for_it, both], writer.tensor("openness", (1, 1)), schema.DivOptionsT())
    closed = writer.operator("DIV", [against, both], writer.tensor("closed", (1, 1)), schema.DivOptionsT())
    labels = connect(writer, pooled, weights[:-1], offsets[:-1], "label_logits")
    shares = _softmax(writer, labels, "shares", count - 1)
    let_in = writer.operator("MUL", [shares, opened], writer.tensor("let_in", (1, count - 1)), schema.MulOptionsT())
    options = schema.ConcatenationOptionsT()
    options.axis = 1
    return writer.operator("CONCATENATION", [let_in, closed], writer.tensor("total", (1, count)), options)


def connect(writer: Writer, signal: int, weights: Array, offsets: Array, name: str) -> int:
    """A FULLY_CONNECTED: weights (out, in), offsets (out,)."""
    constants = [
        writer.constant(f"{name}/weights", weights.astype(np.float32)),
        writer.constant(f"{name}/bias", offsets.astype(np.float32)),
    ]
    output = writer.tensor(name, (1, len(offsets)))
    return writer.operator("FULLY_CONNECTED", [signal, *constants], output, schema.FullyConnectedOptionsT())


def _softmax(writer: Writer, logits: int, name: str, count: int) -> int:
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return writer.operator("SOFTMAX", [logits], writer.tensor(name, (1, count)), options)
