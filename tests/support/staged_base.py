"""A base of a few operators with two earlier stages, whose features can be computed with numpy."""

from pathlib import Path

import numpy as np

from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.tflite_graph import FLOAT32, Graph, Op, TensorFormat

SIDE_PX = 10


def staged_graph(dtype: str = "float32") -> tuple[Graph, list[int]]:
    """Return a graph for 10×10 pictures of plain bytes, and its tensors: two residual sums, the average, the output.

    The sums are twice the picture, 0–2 (10×10), and twice its average over fields of 2×2 pixels, 0–4 (5×5).
    """
    graph, size = Graph.create("staged"), SIDE_PX
    # The operators accept int8 as of version 2; QUANTIZE accepts uint8 as of version 2.
    version = 2 if dtype == "int8" else 1
    plain = TensorFormat(np.dtype(np.uint8), 1 / 255, 0)
    x = graph.add_input((1, size, size, 3), "picture", plain)
    if dtype == "float32":
        x = graph.add(Op.DEQUANTIZE, [x], (1, size, size, 3), "values", schema.DequantizeOptionsT())
    elif dtype == "int8":
        stored = _choose_format(dtype, 1)
        x = graph.add(Op.QUANTIZE, [x], (1, size, size, 3), "values", schema.QuantizeOptionsT(), 2, stored)
    sums = []
    for side, largest in ((size, 1), (size // 2, 2)):
        shape, stored = (1, side, side, 3), _choose_format(dtype, largest)
        if side != size:
            x = graph.add(Op.AVERAGE_POOL_2D, [x], shape, "smaller", _pool(2), version, stored)
        branch = graph.add(Op.AVERAGE_POOL_2D, [x], shape, "branch", _pool(1), version, stored)
        stored = _choose_format(dtype, 2 * largest)
        x = graph.add(Op.ADD, [x, branch], shape, f"sum{side}", schema.AddOptionsT(), version, stored)
        sums.append(x)
    pooled = graph.add(Op.AVERAGE_POOL_2D, [x], (1, 1, 1, 3), "pooled", _pool(size // 2), version, stored)
    if dtype != "float32":
        pooled_float = graph.add(Op.DEQUANTIZE, [pooled], (1, 1, 1, 3), "float", schema.DequantizeOptionsT(), version)
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    last = pooled if dtype == "float32" else pooled_float
    return graph, [*sums, pooled, graph.add(Op.SOFTMAX, [last], (1, 1, 1, 3), "scores", options)]


def write_staged_base(file: Path, dtype: str = "float32") -> Path:
    """Write the graph as a .tflite."""
    graph, (*_, output) = staged_graph(dtype)
    file.write_bytes(graph.pack([output], "staged"))
    return file


def compute_features(pixels: np.ndarray) -> np.ndarray:
    """Return the features of a picture (10, 10, 3) uint8: pooled, then quarters and mean of 5×5, then of 10×10."""
    first = 2 * pixels.astype(np.float64) / 255
    second = 2 * first.reshape(5, 2, 5, 2, 3).mean(axis=(1, 3))
    parts = [second.mean(axis=(0, 1))]
    for layer, halves in ((second, (slice(0, 3), slice(2, 5))), (first, (slice(0, 5), slice(5, 10)))):
        parts += [layer[rows, columns].mean(axis=(0, 1)) for rows in halves for columns in halves]
        parts.append(layer.mean(axis=(0, 1)))
    return np.concatenate(parts)


def _choose_format(dtype: str, largest: float) -> TensorFormat:
    if dtype == "float32":
        return FLOAT32
    return TensorFormat(np.dtype(dtype), largest / 255, -128 if dtype == "int8" else 0)


def _pool(side: int) -> schema.Pool2DOptionsT:
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.VALID
    options.filterHeight = options.filterWidth = options.strideH = options.strideW = side
    return options
