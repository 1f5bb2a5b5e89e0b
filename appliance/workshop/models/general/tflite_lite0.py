"""Write the general labeler as a .tflite file, in float32 or in int8.

The sum over the classes below each name is SEGMENT_SUM, which needs a few kilobytes instead of a matrix.
"""

import io
from collections.abc import Sequence

import numpy as np

from appliance.bundle.archive import write_zip
from appliance.workshop.models.general.fine_classes import CLASSES_FILE, CLASSES_TENSOR
from appliance.workshop.models.general.names import LabelPlan
from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.lite0.architecture import Lite0
from appliance.workshop.training.lite0.layers import CENTER, SCALE, Lite0Writer, add_body
from appliance.workshop.training.lite0.quantization import ValueRange
from appliance.workshop.training.tflite_graph import Graph, Op, TensorFormat
from appliance.workshop.training.tflite_metadata import LABEL_FILE, build_metadata

_UINT8 = np.dtype(np.uint8)


def write_labeler(network: Lite0, plan: LabelPlan, ranges: Sequence[ValueRange] | None, description: str) -> bytes:
    """Write the network with the plan's labels as its output.

    Args:
        network: The network.
        plan: The labels and the classes below them.
        ranges: The ranges of values of `write_layers`, for int8; None for float32.
        description: The description of the file.

    Returns:
        The .tflite file, with its labels and the names of the classes; the scores are uint8 in steps of 1/256.
    """
    graph = Graph.create(description)
    writer = Lite0Writer(graph, ranges)
    pooled = add_body(writer, network)
    logits = writer.classify(pooled, network.weights[plan.order], network.bias[plan.order])
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    classes = graph.add(Op.SOFTMAX, [logits], (1, 1, 1, len(plan.order)), CLASSES_TENSOR, softmax)
    column = _reshape(graph, classes, (len(plan.order), 1), "column")
    groups = graph.add_constant(plan.groups.astype(np.int32), "groups")
    shape, count = (len(plan.labels), 1), len(plan.labels)
    sums = graph.add(Op.SEGMENT_SUM, [column, groups], shape, "sums", schema.SegmentSumOptionsT())
    row = _reshape(graph, sums, (1, count), "labels")
    stored = TensorFormat(_UINT8, 1 / 256)
    scores = graph.add(Op.QUANTIZE, [row], (1, count), "scores", schema.QuantizeOptionsT(), 2, stored)
    metadata = build_metadata(description, (CENTER,), (1 / SCALE,))
    return _append_names(graph.pack([scores], description, metadata), plan)


def _append_names(model: bytes, plan: LabelPlan) -> bytes:
    """Append the labels, which the metadata names, and the classes."""
    file = io.BytesIO(model)
    file.seek(0, io.SEEK_END)
    entries = [(LABEL_FILE, plan.labels), (CLASSES_FILE, plan.classes)]
    write_zip(file, [(name, "".join(f"{line}\n" for line in lines).encode()) for name, lines in entries], mode=0o600)
    return file.getvalue()


def _reshape(graph: Graph, tensor: int, shape: tuple[int, ...], name: str) -> int:
    options = schema.ReshapeOptionsT()
    options.newShape = list(shape)
    target = graph.add_constant(np.array(shape, np.int32), f"{name}/shape")
    return graph.add(Op.RESHAPE, [tensor, target], shape, name, options)
