"""Write EfficientNet-Lite0 as a .tflite file, in float32 or in int8.

Both have the same input, a picture of plain uint8 bytes. In int8, each output channel of a convolution has its own
scale. The features are averaged in float32, because they are often so small that steps of int8 would hide them. The sum
over the classes below each name is SEGMENT_SUM, which needs a few kilobytes instead of a matrix.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from appliance.bundle.archive import write_zip
from appliance.workshop.models.general.architecture import SIDE_PX, FoldedConvolution, Lite0
from appliance.workshop.models.general.fine_classes import CLASSES_FILE, CLASSES_TENSOR
from appliance.workshop.models.general.names import LabelPlan
from appliance.workshop.models.quantization import ValueRange, choose_int8_format, quantize_convolution
from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.tflite_graph import FLOAT32, Graph, Op, TensorFormat
from appliance.workshop.training.tflite_metadata import LABEL_FILE, build_metadata

_UINT8 = np.dtype(np.uint8)
# The first versions of the operators that accept int8 (QUANTIZE: uint8 to int8).
_VERSIONS = {Op.CONV_2D: 3, Op.DEPTHWISE_CONV_2D: 3, Op.ADD: 2, Op.QUANTIZE: 2}
_DEQUANTIZE_VERSION = 2
_CENTER, _SCALE = 127, 1 / 128
# The stem and the first blocks stay float32: in int8, they would cause most of the rounding error of the features.
FLOAT_BLOCKS = 2


@dataclass(frozen=True, slots=True)
class _Values:
    """A tensor (1, side_px, side_px, channels) and its storage."""

    tensor: int
    stored: TensorFormat
    side_px: int
    channels: int


class _Writer:
    """Appends layers to a graph.

    Attributes:
        layers: The tensors whose ranges int8 needs, in the order of the graph.
    """

    def __init__(self, graph: Graph, ranges: Sequence[ValueRange] | None) -> None:
        self.graph = graph
        self.layers: list[int] = []
        self._is_float = True
        self._ranges: Iterator[ValueRange] | None = None if ranges is None else iter(ranges)
        self._span = ValueRange(0.0, 0.0)

    def open_picture(self) -> _Values:
        shape = (1, SIDE_PX, SIDE_PX, 3)
        stored = TensorFormat(_UINT8, _SCALE, _CENTER)
        picture = self.graph.add_input(shape, "picture", stored)
        tensor = self.graph.add(Op.DEQUANTIZE, [picture], shape, "centered", schema.DequantizeOptionsT())
        return _Values(tensor, FLOAT32, SIDE_PX, 3)

    def continue_in_int8(self, values: _Values) -> _Values:
        """Store all later layers as int8, if there are ranges for them."""
        if self._ranges is None:
            return values
        self._is_float = False
        stored = choose_int8_format(self._span)
        shape = (1, values.side_px, values.side_px, values.channels)
        options = schema.QuantizeOptionsT()
        tensor = self.graph.add(Op.QUANTIZE, [values.tensor], shape, "quantized", options, 1, stored)
        return _Values(tensor, stored, values.side_px, values.channels)

    def convolve(self, values: _Values, layer: FoldedConvolution) -> _Values:
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
        return _Values(tensor, stored, side_px, channels)

    def add(self, first: _Values, second: _Values, name: str) -> _Values:
        stored = self._choose_format()
        shape = (1, first.side_px, first.side_px, first.channels)
        tensor = self._add(Op.ADD, [first.tensor, second.tensor], shape, name, schema.AddOptionsT(), stored)
        self.layers.append(tensor)
        return _Values(tensor, stored, first.side_px, first.channels)

    def average(self, values: _Values) -> int:
        """Append the average over the picture, in float32; return its tensor."""
        tensor, side_px = values.tensor, values.side_px
        if not self._is_float:
            shape = (1, side_px, side_px, values.channels)
            tensor = self._add(Op.DEQUANTIZE, [tensor], shape, "features", schema.DequantizeOptionsT(), FLOAT32)
        options = schema.Pool2DOptionsT()
        options.padding = schema.Padding.VALID
        options.strideW = options.strideH = options.filterWidth = options.filterHeight = side_px
        pooled = self.graph.add(Op.AVERAGE_POOL_2D, [tensor], (1, 1, 1, values.channels), "pooled", options)
        self.layers.append(pooled)
        return pooled

    def classify(self, pooled: int, weights: np.ndarray, bias: np.ndarray) -> int:
        """Append the classifier; return its logits, (1, 1, 1, classes) float32.

        It is a convolution, because old runtimes support a scale for each output only there.
        """
        layer = FoldedConvolution("logits", weights[:, None, None, :], bias, clips=False)
        size = (1, 1, 1, weights.shape[1])
        if self._is_float:
            return self.convolve(_Values(pooled, FLOAT32, 1, size[-1]), layer).tensor
        stored = self._choose_format()
        whole = self.graph.add(Op.QUANTIZE, [pooled], size, "pooled/whole", schema.QuantizeOptionsT(), 1, stored)
        logits = self.convolve(_Values(whole, stored, 1, size[-1]), layer)
        options = schema.DequantizeOptionsT()
        return self._add(Op.DEQUANTIZE, [logits.tensor], (1, 1, 1, len(bias)), "logits/float", options)

    def _choose_format(self) -> TensorFormat:
        if self._ranges is None:
            return FLOAT32
        self._span = next(self._ranges)
        return FLOAT32 if self._is_float else choose_int8_format(self._span)

    def _add_weights(self, layer: FoldedConvolution, scale: float) -> list[int]:
        if self._is_float:
            return [
                self.graph.add_constant(layer.weights, f"{layer.name}/weights"),
                self.graph.add_constant(layer.bias, f"{layer.name}/bias"),
            ]
        axis = 3 if layer.is_depthwise else 0
        quantized = quantize_convolution(np.moveaxis(layer.weights, axis, 0), layer.bias, scale)
        weights = np.moveaxis(quantized.weights, 0, axis)
        return [
            self.graph.add_constant(weights, f"{layer.name}/weights", quantized.scales, axis),
            self.graph.add_constant(quantized.bias, f"{layer.name}/bias", quantized.bias_scales),
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
        return self.graph.add(code, inputs, shape, name, options, version, stored)


def write_layers(network: Lite0) -> bytes:
    """Write the float32 network with an output for every range that `write_labeler` needs."""
    writer = _Writer(Graph.create("EfficientNet-Lite0"), None)
    writer.classify(_add_body(writer, network), network.weights, network.bias)
    return writer.graph.pack(writer.layers, "EfficientNet-Lite0")


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
    writer = _Writer(graph, ranges)
    pooled = _add_body(writer, network)
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
    metadata = build_metadata(description, (_CENTER,), (1 / _SCALE,))
    return _append_names(graph.pack([scores], description, metadata), plan)


def _append_names(model: bytes, plan: LabelPlan) -> bytes:
    """Append the labels, which the metadata names, and the classes."""
    file = io.BytesIO(model)
    file.seek(0, io.SEEK_END)
    entries = [(LABEL_FILE, plan.labels), (CLASSES_FILE, plan.classes)]
    write_zip(file, [(name, "".join(f"{line}\n" for line in lines).encode()) for name, lines in entries], mode=0o600)
    return file.getvalue()


def _add_body(writer: _Writer, network: Lite0) -> int:
    values = writer.convolve(writer.open_picture(), network.stem)
    for index, block in enumerate(network.blocks):
        if index == FLOAT_BLOCKS:
            values = writer.continue_in_int8(values)
        entry = values
        for layer in block.convolutions:
            values = writer.convolve(values, layer)
        if block.is_residual:
            values = writer.add(entry, values, f"_blocks.{index}")
    return writer.average(writer.convolve(values, network.top))


def _reshape(graph: Graph, tensor: int, shape: tuple[int, ...], name: str) -> int:
    options = schema.ReshapeOptionsT()
    options.newShape = list(shape)
    target = graph.add_constant(np.array(shape, np.int32), f"{name}/shape")
    return graph.add(Op.RESHAPE, [tensor, target], shape, name, options)
