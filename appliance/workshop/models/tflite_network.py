"""Write a trained network as a .tflite file: int8 in all convolutions, float32 from the pooled features onward.

Only old, standard operators are used, so that both LiteRT and tflite-runtime can run the file. Weights are int8 with
one scale per output channel.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from appliance.workshop.models.gated_head import add_dense, add_gated_head
from appliance.workshop.models.network import FEATURES, SIDE_PX, Convolution, Network, Residual
from appliance.workshop.models.paths import BACKGROUND, LABELS
from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.lite0.quantization import ValueRange, choose_int8_format, quantize_convolution
from appliance.workshop.training.tflite_graph import Graph, Op, TensorFormat
from appliance.workshop.training.tflite_metadata import append_labels

_RELU = schema.ActivationFunctionType.RELU
_LINEAR = schema.ActivationFunctionType.NONE
_UINT8, _INT8 = np.dtype(np.uint8), np.dtype(np.int8)
# The first versions of the operators that accept int8.
_CONV_2D_VERSION, _ADD_VERSION, _QUANTIZE_VERSION, _DEQUANTIZE_VERSION = 3, 2, 2, 2


@dataclass(frozen=True, slots=True)
class Signal:
    """An int8 tensor (1, side_px, side_px, channels) of the body, with its scale."""

    tensor: int
    scale: float
    side_px: int


def write_network(network: Network, ranges: list[ValueRange], bias: float | None, description: str) -> bytes:
    """Write a network.

    Args:
        network: The trained network.
        ranges: The ranges of values of its layers, from calibration.
        bias: The bias of the evidence gate; None for a file without a gate, whose output is the logits.
        description: The description of the file.

    Returns:
        The .tflite file; with a bias, its labels are inside, and its output is uint8 scores in steps of 1/256.
    """
    graph = Graph.create(description)
    picture = graph.add_input((1, SIDE_PX, SIDE_PX, 3), "picture", TensorFormat(_UINT8, 1 / 128, 128))
    pooled = _add_pool(graph, _add_body(graph, picture, network, iter(ranges)))
    weights, offsets = (values.detach().numpy() for values in (network.head.weight, network.head.bias))
    if bias is None:
        return graph.pack([add_dense(graph, pooled, weights, offsets, "logits")], description)
    scores = add_gated_head(graph, pooled, weights, offsets, bias)
    shape, stored = (1, len(LABELS) + 1), TensorFormat(_UINT8, 1 / 256)
    output = graph.add(Op.QUANTIZE, [scores], shape, "scores", schema.QuantizeOptionsT(), _QUANTIZE_VERSION, stored)
    return append_labels(graph.pack([output], description), (*LABELS, BACKGROUND))


def _add_body(graph: Graph, picture: int, network: Network, ranges: Iterator[ValueRange]) -> Signal:
    """Append the convolutions, each with the next range."""
    shape, stored = (1, SIDE_PX, SIDE_PX, 3), TensorFormat(_INT8, 1 / 128)
    options = schema.QuantizeOptionsT()
    centered = graph.add(Op.QUANTIZE, [picture], shape, "centered", options, _QUANTIZE_VERSION, stored)
    signal = Signal(centered, stored.scale, SIDE_PX)
    for index, part in enumerate(network.body):
        if isinstance(part, Residual):
            signal = _add_residual(graph, signal, part, ranges, f"{index}")
        else:
            signal = _add_convolution(graph, signal, part, next(ranges), f"{index}", _RELU)
    return signal


def _add_residual(graph: Graph, signal: Signal, part: Residual, ranges: Iterator[ValueRange], name: str) -> Signal:
    inner = _add_convolution(graph, signal, part.first, next(ranges), f"{name}/first", _RELU)
    inner = _add_convolution(graph, inner, part.second, next(ranges), f"{name}/second", _LINEAR)
    stored = choose_int8_format(next(ranges))
    options = schema.AddOptionsT()
    options.fusedActivationFunction = _RELU
    shape = (1, signal.side_px, signal.side_px, part.first.weights.out_channels)
    total = graph.add(Op.ADD, [signal.tensor, inner.tensor], shape, name, options, _ADD_VERSION, stored)
    return Signal(total, stored.scale, signal.side_px)


def _add_convolution(
    graph: Graph, signal: Signal, part: Convolution, span: ValueRange, name: str, activation: int
) -> Signal:
    folded, offsets = (values.detach().numpy() for values in part.fold())
    # torch's order is (outputs, inputs, height, width).
    quantized = quantize_convolution(folded.transpose(0, 2, 3, 1), offsets, signal.scale)
    options = schema.Conv2DOptionsT()
    options.padding, options.strideW, options.strideH = schema.Padding.SAME, part.stride, part.stride
    options.dilationWFactor = options.dilationHFactor = 1
    options.fusedActivationFunction = activation
    side_px = signal.side_px // part.stride
    stored = choose_int8_format(span)
    inputs = [
        signal.tensor,
        graph.add_constant(quantized.weights, f"{name}/weights", quantized.scales),
        graph.add_constant(quantized.bias, f"{name}/bias", quantized.bias_scales),
    ]
    shape = (1, side_px, side_px, len(offsets))
    output = graph.add(Op.CONV_2D, inputs, shape, f"{name}/out", options, _CONV_2D_VERSION, stored)
    return Signal(output, stored.scale, side_px)


def _add_pool(graph: Graph, signal: Signal) -> int:
    """Append the average over the picture, in float32; return its tensor."""
    shape, dequantize = (1, signal.side_px, signal.side_px, FEATURES), schema.DequantizeOptionsT()
    features = graph.add(Op.DEQUANTIZE, [signal.tensor], shape, "features", dequantize, _DEQUANTIZE_VERSION)
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideW = options.strideH = options.filterWidth = options.filterHeight = signal.side_px
    return graph.add(Op.AVERAGE_POOL_2D, [features], (1, 1, 1, FEATURES), "pooled", options)
