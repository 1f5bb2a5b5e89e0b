"""Write the layers of EfficientNet-Lite0 into a .tflite file, in float32 or in int8.

Both have the same input, a picture of plain uint8 bytes. In int8, each output channel of a convolution has its own
scale. The features are averaged in float32, because they are often so small that steps of int8 would hide them.

A second version of the last blocks can be added to a file (`add_branch`); both versions share the blocks before them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from appliance.errors import BaseModelError
from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.lite0.architecture import SIDE_PX, FoldedConvolution, Lite0
from appliance.workshop.training.lite0.quantization import ValueRange, choose_int8_format, quantize_convolution
from appliance.workshop.training.tflite_graph import FLOAT32, Graph, Op, TensorFormat

_UINT8 = np.dtype(np.uint8)
# The first versions of the operators that accept int8 (QUANTIZE: uint8 to int8).
_VERSIONS = {Op.CONV_2D: 3, Op.DEPTHWISE_CONV_2D: 3, Op.ADD: 2, Op.QUANTIZE: 2}
_DEQUANTIZE_VERSION = 2
CENTER, SCALE = 127, 1 / 128
# The stem and the first blocks stay float32: in int8, they would cause most of the rounding error of the features.
FLOAT_BLOCKS = 2


@dataclass(frozen=True, slots=True)
class LayerValues:
    """A tensor (1, side_px, side_px, channels) and its storage."""

    tensor: int
    stored: TensorFormat
    side_px: int
    channels: int


class Lite0Writer:
    """Appends layers to a graph.

    Attributes:
        layers: The tensors whose ranges int8 needs, in the order of the graph.
    """

    def __init__(
        self, graph: Graph, ranges: Sequence[ValueRange] | None, *, is_float: bool = True, prefix: str = ""
    ) -> None:
        """Refer to a graph.

        Args:
            graph: The graph.
            ranges: The ranges of values of the layers that will be appended, for int8; None for float32.
            is_float: Whether the first layers are float32, up to `continue_in_int8`.
            prefix: Precedes the names of the layers.
        """
        self.graph = graph
        self.layers: list[int] = []
        self._is_float, self._prefix = is_float, prefix
        self._ranges: Iterator[ValueRange] | None = None if ranges is None else iter(ranges)
        self._span = ValueRange(0.0, 0.0)

    def open_picture(self) -> LayerValues:
        """Append the input, a picture (1, 224, 224, 3) uint8; return its values as float32."""
        shape = (1, SIDE_PX, SIDE_PX, 3)
        stored = TensorFormat(_UINT8, SCALE, CENTER)
        picture = self.graph.add_input(shape, "picture", stored)
        tensor = self.graph.add(Op.DEQUANTIZE, [picture], shape, "centered", schema.DequantizeOptionsT())
        return LayerValues(tensor, FLOAT32, SIDE_PX, 3)

    def continue_in_int8(self, values: LayerValues) -> LayerValues:
        """Store all later layers as int8, if there are ranges for them."""
        if self._ranges is None:
            return values
        self._is_float = False
        stored = choose_int8_format(self._span)
        shape = (1, values.side_px, values.side_px, values.channels)
        options = schema.QuantizeOptionsT()
        tensor = self.graph.add(Op.QUANTIZE, [values.tensor], shape, "quantized", options, 1, stored)
        return LayerValues(tensor, stored, values.side_px, values.channels)

    def convolve(self, values: LayerValues, layer: FoldedConvolution) -> LayerValues:
        """Append a convolution; return its output."""
        code = Op.DEPTHWISE_CONV_2D if layer.is_depthwise else Op.CONV_2D
        options = schema.DepthwiseConv2DOptionsT() if layer.is_depthwise else schema.Conv2DOptionsT()
        if layer.is_depthwise:
            options.depthMultiplier = 1
        options.padding, options.strideW, options.strideH = schema.Padding.SAME, layer.stride, layer.stride
        options.dilationWFactor = options.dilationHFactor = 1
        if layer.clips:
            options.fusedActivationFunction = schema.ActivationFunctionType.RELU6
        stored = self._choose_format()
        inputs = [values.tensor, *self._add_weights(layer, values.stored.scale)]
        side_px, channels = -(-values.side_px // layer.stride), len(layer.bias)
        tensor = self._add(code, inputs, (1, side_px, side_px, channels), layer.name, options, stored)
        self.layers.append(tensor)
        return LayerValues(tensor, stored, side_px, channels)

    def add(self, first: LayerValues, second: LayerValues, name: str) -> LayerValues:
        """Append the sum of two outputs of the same shape; return it."""
        stored = self._choose_format()
        shape = (1, first.side_px, first.side_px, first.channels)
        tensor = self._add(Op.ADD, [first.tensor, second.tensor], shape, name, schema.AddOptionsT(), stored)
        self.layers.append(tensor)
        return LayerValues(tensor, stored, first.side_px, first.channels)

    def average(self, values: LayerValues) -> int:
        """Append the average over the picture, in float32; return its tensor."""
        tensor, side_px = values.tensor, values.side_px
        if not self._is_float:
            shape = (1, side_px, side_px, values.channels)
            tensor = self._add(Op.DEQUANTIZE, [tensor], shape, "features", schema.DequantizeOptionsT(), FLOAT32)
        options = schema.Pool2DOptionsT()
        options.padding = schema.Padding.VALID
        options.strideW = options.strideH = options.filterWidth = options.filterHeight = side_px
        pooled = self.graph.add(
            Op.AVERAGE_POOL_2D, [tensor], (1, 1, 1, values.channels), f"{self._prefix}pooled", options
        )
        self.layers.append(pooled)
        return pooled

    def classify(self, pooled: int, weights: np.ndarray, bias: np.ndarray) -> int:
        """Append the classifier; return its logits, (1, 1, 1, classes) float32.

        It is a convolution, because old runtimes support a scale for each output only there.
        """
        layer = FoldedConvolution("logits", weights[:, None, None, :], bias, clips=False)
        size = (1, 1, 1, weights.shape[1])
        if self._is_float:
            return self.convolve(LayerValues(pooled, FLOAT32, 1, size[-1]), layer).tensor
        stored = self._choose_format()
        whole = self.graph.add(Op.QUANTIZE, [pooled], size, "pooled/whole", schema.QuantizeOptionsT(), 1, stored)
        logits = self.convolve(LayerValues(whole, stored, 1, size[-1]), layer)
        options = schema.DequantizeOptionsT()
        return self._add(Op.DEQUANTIZE, [logits.tensor], (1, 1, 1, len(bias)), "logits/float", options)

    def _choose_format(self) -> TensorFormat:
        if self._ranges is None:
            return FLOAT32
        self._span = next(self._ranges)
        return FLOAT32 if self._is_float else choose_int8_format(self._span)

    def _add_weights(self, layer: FoldedConvolution, scale: float) -> list[int]:
        name = self._prefix + layer.name
        if self._is_float:
            return [
                self.graph.add_constant(layer.weights, f"{name}/weights"),
                self.graph.add_constant(layer.bias, f"{name}/bias"),
            ]
        axis = 3 if layer.is_depthwise else 0
        quantized = quantize_convolution(np.moveaxis(layer.weights, axis, 0), layer.bias, scale)
        weights = np.moveaxis(quantized.weights, 0, axis)
        return [
            self.graph.add_constant(weights, f"{name}/weights", quantized.scales, axis),
            self.graph.add_constant(quantized.bias, f"{name}/bias", quantized.bias_scales),
        ]

    def _add(
        self,
        code: int,
        inputs: Sequence[int],
        shape: Sequence[int],
        name: str,
        options: object,
        stored: TensorFormat = FLOAT32,
    ) -> int:
        version = 1 if self._is_float else _VERSIONS.get(code, 1)
        if code == Op.DEQUANTIZE and not self._is_float:
            version = _DEQUANTIZE_VERSION
        return self.graph.add(code, inputs, shape, self._prefix + name, options, version, stored)


def add_body(writer: Lite0Writer, network: Lite0) -> int:
    """Append everything up to the averaged features; return their tensor, (1, 1, 1, 1280) float32."""
    return _add_blocks(writer, network, writer.convolve(writer.open_picture(), network.stem), 0)


def add_branch(graph: Graph, network: Lite0, ranges: Sequence[ValueRange], first: int, display_name: str) -> int:
    """Append another version of the last blocks to a graph of int8 layers that has the blocks before them.

    Args:
        graph: A graph that was written here, or a part of it.
        network: The network whose last blocks are appended; its other blocks are those of the graph.
        ranges: The ranges of values of `write_layers` for the whole network.
        first: The index of the first block to append; more than FLOAT_BLOCKS, and the block before it is residual.
        display_name: The name of the graph in error messages.

    Returns:
        The tensor of the averaged features, (1, 1, 1, 1280) float32.

    Raises:
        BaseModelError: The graph has no such blocks.
    """
    tensor, channels = graph.find_tensor(_name_block(first - 1)), len(network.blocks[first - 1].convolutions[-1].bias)
    stored = None if tensor is None else graph.get_format(tensor)
    if tensor is None or stored is None or graph.get_shape(tensor)[-1] != channels:
        raise BaseModelError(f"{display_name} does not contain the layers of EfficientNet-Lite0")
    before = 1 + sum(len(block.convolutions) + block.is_residual for block in network.blocks[:first])
    writer = Lite0Writer(graph, ranges[before:], is_float=False, prefix="fine_tuned/")
    return _add_blocks(writer, network, LayerValues(tensor, stored, graph.get_shape(tensor)[1], channels), first)


def _add_blocks(writer: Lite0Writer, network: Lite0, values: LayerValues, first: int) -> int:
    for index, block in enumerate(network.blocks[first:], start=first):
        if index == FLOAT_BLOCKS:
            values = writer.continue_in_int8(values)
        entry = values
        for layer in block.convolutions:
            values = writer.convolve(values, layer)
        if block.is_residual:
            values = writer.add(entry, values, _name_block(index))
    return writer.average(writer.convolve(values, network.top))


def _name_block(index: int) -> str:
    """Return the name of the output of a residual block."""
    return f"_blocks.{index}"


def write_layers(network: Lite0) -> bytes:
    """Write the float32 network with an output for every range that `write_labeler` needs."""
    writer = Lite0Writer(Graph.create("EfficientNet-Lite0"), None)
    writer.classify(add_body(writer, network), network.weights, network.bias)
    return writer.graph.pack(writer.layers, "EfficientNet-Lite0")
