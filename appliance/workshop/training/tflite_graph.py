"""Edit the graph of a .tflite file without TensorFlow: cut it and append operators, or build a new graph.

A base is opened and cut at its pooled features (the rest is removed, including all tensors, buffers, and operator codes
that are no longer used), and the operators of a new head are appended. A new graph is built in the same way, starting
with an empty one. The generated classes for tensorflow/lite/schema/schema.fbs in LiteRT read and write the file; models
are not run here.

The generated classes do not handle the following:

- An old file stores an operator code in `deprecatedBuiltinCode`, a new file in `builtinCode`; the larger value applies.
- Metadata and signatures describe the removed output, so they must be removed.
- Buffer 0 must stay empty, because tensors without data refer to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.tflite_file import pack_model, parse_model

Op = schema.BuiltinOperator
_TYPES: dict[np.dtype, int] = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int32): schema.TensorType.INT32,
}
_DTYPES: dict[int, np.dtype] = {number: dtype for dtype, number in _TYPES.items()}


@dataclass(frozen=True, slots=True)
class TensorFormat:
    """The storage of a tensor's values: value = (stored − zero_point) · scale; scale is 0 if it is not quantized."""

    dtype: np.dtype
    scale: float = 0.0
    zero_point: int = 0


FLOAT32 = TensorFormat(np.dtype(np.float32))


@dataclass(frozen=True, slots=True)
class Waypoint:
    """A tensor through which every path from the picture to another tensor goes.

    Attributes:
        tensor: Its index.
        code: The operator that computes it, one of schema.BuiltinOperator.
        shape: Its shape; () if the file declares none.
        stored: The storage of its values; None if the type is not one of those that can be edited.
        is_join: Whether its operator combines several tensors that depend on the picture, such as a residual sum.
    """

    tensor: int
    code: int
    shape: tuple[int, ...]
    stored: TensorFormat | None
    is_join: bool


class Graph:
    """The only graph of a .tflite file, which is edited in place."""

    def __init__(self, model: schema.ModelT, display_name: str) -> None:
        """Use parse() or create() instead."""
        self._model = model
        self._graph = model.subgraphs[0]
        self._codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes or []]
        self._display_name = display_name

    @classmethod
    def create(cls, display_name: str) -> "Graph":
        """Create a graph without tensors and operators; call add_input() first."""
        model, graph = schema.ModelT(), schema.SubGraphT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], [], []
        model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [], [graph], [schema.BufferT()]
        return cls(model, display_name)

    @classmethod
    def parse(cls, content: bytes, display_name: str) -> "Graph":
        """Read the graph of a model.

        Args:
            content: The bytes of a .tflite file.
            display_name: The name of the model in error messages.

        Raises:
            BaseModelError: The model is damaged or cannot be edited.
        """
        return cls(parse_model(content, display_name), display_name)

    @property
    def output(self) -> int:
        """The index of the graph's (first) output tensor."""
        return int(self._graph.outputs[0])

    def get_shape(self, tensor: int) -> tuple[int, ...]:
        """Return the shape of a tensor; () if the file declares none."""
        shape = self._graph.tensors[tensor].shape
        return tuple(int(size) for size in (shape if shape is not None else ()))

    def get_format(self, tensor: int) -> TensorFormat | None:
        """Return the storage of a tensor's values; None if the type is not one of those that can be edited."""
        return _read_format(self._graph.tensors[tensor])

    def find_tensor(self, name: str) -> int | None:
        """Return the index of the tensor with this name; None if there is none."""
        for index, tensor in enumerate(self._graph.tensors):
            if tensor.name in (name, name.encode()):
                return index
        return None

    def get_source(self, tensor: int) -> int:
        """Return the first input of the operator whose output a tensor is."""
        producer = next(operator for operator in self._graph.operators if tensor in list(operator.outputs))
        return int(producer.inputs[0])

    def get_inputs(self, tensor: int) -> list[int]:
        """Return the inputs of the operator whose output a tensor is, without absent ones."""
        producer = next(operator for operator in self._graph.operators if tensor in list(operator.outputs))
        return [int(index) for index in producer.inputs if index >= 0]

    def count_operators(self, tensor: int) -> int:
        """Return the number of operators on which a tensor depends."""
        return len(self._find_needed([tensor]))

    def list_waypoints(self, target: int) -> list[Waypoint]:
        """Return the tensors through which every path from the picture to `target` goes, in the order of the graph."""
        operators = self._graph.operators
        needed = sorted(self._find_needed([target]))
        last_use = {int(tensor): index for index in needed for tensor in operators[index].inputs}
        depends = {int(self._graph.inputs[0])}
        found, horizon = [], last_use.get(int(self._graph.inputs[0]), -1)
        for index in needed:
            operator = operators[index]
            outputs = [int(output) for output in operator.outputs]
            sources = {int(tensor) for tensor in operator.inputs} & depends
            if not sources:
                continue
            # A tensor from before this operator that is used after it is on a path around the operator.
            if horizon <= index and len(outputs) == 1:
                code = self._codes[operator.opcodeIndex]
                stored = _read_format(self._graph.tensors[outputs[0]])
                found.append(Waypoint(outputs[0], code, self.get_shape(outputs[0]), stored, len(sources) > 1))
            depends.update(outputs)
            horizon = max(horizon, *(last_use.get(output, -1) for output in outputs))
        return found

    def cut(self, *outputs: int) -> list[int]:
        """Make these tensors the graph's outputs and remove everything that they do not depend on.

        Returns:
            The tensors' new indices.
        """
        graph, model = self._graph, self._model
        graph.operators = [graph.operators[index] for index in sorted(self._find_needed(outputs))]
        used = {int(graph.inputs[0]), *outputs}
        for operator in graph.operators:
            lists = (operator.inputs, operator.outputs, operator.intermediates)
            used |= {int(index) for indices in lists if indices is not None for index in indices if index >= 0}
        tensors = {old: new for new, old in enumerate(sorted(used))}
        graph.tensors = [graph.tensors[old] for old in tensors]
        for operator in graph.operators:
            for name in ("inputs", "outputs", "intermediates"):
                if (indices := getattr(operator, name)) is not None:
                    setattr(operator, name, [tensors.get(int(index), -1) for index in indices])
        graph.inputs, graph.outputs = [tensors[int(graph.inputs[0])]], [tensors[output] for output in outputs]
        buffers = {old: new for new, old in enumerate(sorted({0} | {int(tensor.buffer) for tensor in graph.tensors}))}
        model.buffers = [model.buffers[old] for old in buffers]
        for tensor in graph.tensors:
            tensor.buffer = buffers[int(tensor.buffer)]
        codes = {old: new for new, old in enumerate(sorted({operator.opcodeIndex for operator in graph.operators}))}
        model.operatorCodes = [model.operatorCodes[old] for old in codes]
        self._codes = [self._codes[old] for old in codes]
        for operator in graph.operators:
            operator.opcodeIndex = codes[operator.opcodeIndex]
        model.metadata = model.signatureDefs = model.metadataBuffer = None
        return list(graph.outputs)

    def add_input(self, shape: Sequence[int], name: str, stored: TensorFormat = FLOAT32) -> int:
        """Add the input tensor of a created graph; return its index."""
        tensor = self._add_tensor(shape, name, stored)
        self._graph.inputs = [tensor]
        return tensor

    def add_constant(self, values: np.ndarray, name: str, scales: np.ndarray | None = None, axis: int = 0) -> int:
        """Add a constant tensor.

        Args:
            values: float32, int32, or quantized to int8 or int32.
            name: The name of the tensor.
            scales: The scales of quantized values, one per index of `axis`; the zero points are 0.
            axis: The axis of the channels; a depthwise convolution has them last.

        Returns:
            The tensor's index.
        """
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(
            np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes(), np.uint8
        )
        self._model.buffers.append(buffer)
        tensor = self._add_tensor(values.shape, name, TensorFormat(values.dtype), len(self._model.buffers) - 1)
        if scales is not None:
            self._set_quantization(tensor, scales, 0, axis)
        return tensor

    def add(
        self,
        code: int,
        inputs: Sequence[int],
        shape: Sequence[int],
        name: str,
        options: Any = None,
        version: int = 1,
        stored: TensorFormat = FLOAT32,
    ) -> int:
        """Append an operator with one output.

        Args:
            code: One of schema.BuiltinOperator.
            inputs: The indices of the input tensors.
            shape: The shape of the output.
            name: The name of the output.
            options: The options table, such as schema.SoftmaxOptionsT; its class determines the kind of options.
            version: The version of the operator; a runtime rejects a version that does not support its types.
            stored: The storage of the output.

        Returns:
            The index of the output.
        """
        output = self._add_tensor(shape, name, stored)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._get_opcode(code, version)
        operator.inputs, operator.outputs = list(inputs), [output]
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._graph.operators.append(operator)
        return output

    def pack(self, outputs: Sequence[int], description: str, metadata: bytes | None = None) -> bytes:
        """Return the graph as a .tflite file.

        Args:
            outputs: The tensors that become the graph's outputs.
            description: The description of the file.
            metadata: The TFLITE_METADATA flatbuffer.
        """
        self._graph.outputs = list(outputs)
        model = self._model
        model.description = description
        model.metadata = None
        buffers = list(model.buffers)
        if metadata is not None:
            entry, holder = schema.MetadataT(), schema.BufferT()
            entry.name, entry.buffer = "TFLITE_METADATA", len(buffers)
            holder.data = np.frombuffer(metadata, np.uint8)
            model.metadata = [entry]
            buffers.append(holder)
        kept, model.buffers = model.buffers, buffers
        try:
            return pack_model(model)
        finally:
            model.buffers = kept

    def _find_needed(self, outputs: Sequence[int]) -> set[int]:
        """Return the indexes of all operators on which `outputs` depend."""
        producers = {
            int(output): index for index, operator in enumerate(self._graph.operators) for output in operator.outputs
        }
        found: set[int] = set()
        pending = list(outputs)
        while pending:
            index = producers.get(pending.pop())
            if index is None or index in found:
                continue
            found.add(index)
            pending.extend(int(needed) for needed in self._graph.operators[index].inputs if needed >= 0)
        return found

    def _add_tensor(self, shape: Sequence[int], name: str, stored: TensorFormat, buffer: int = 0) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name, [int(size) for size in shape]
        tensor.type, tensor.buffer = _TYPES[stored.dtype], buffer
        self._graph.tensors.append(tensor)
        index = len(self._graph.tensors) - 1
        if stored.scale:
            self._set_quantization(index, np.array([stored.scale]), stored.zero_point)
        return index

    def _set_quantization(self, tensor: int, scales: np.ndarray, zero_point: int, axis: int = 0) -> None:
        parameters = schema.QuantizationParametersT()
        parameters.scale = np.asarray(scales, np.float32)
        parameters.zeroPoint = np.full(len(scales), zero_point, np.int64)
        parameters.quantizedDimension = axis
        self._graph.tensors[tensor].quantization = parameters

    def _get_opcode(self, code: int, version: int) -> int:
        for index, known in enumerate(self._model.operatorCodes):
            if self._codes[index] == code and known.version == version:
                return index
        added = schema.OperatorCodeT()
        added.builtinCode, added.version = code, version
        added.deprecatedBuiltinCode = min(code, 127)
        self._model.operatorCodes.append(added)
        self._codes.append(code)
        return len(self._codes) - 1


def _read_format(tensor: Any) -> TensorFormat | None:
    if tensor.type not in _DTYPES:
        return None
    dtype, parameters = _DTYPES[tensor.type], tensor.quantization
    if dtype == np.float32 or parameters is None or parameters.scale is None or not len(parameters.scale):
        return TensorFormat(dtype)
    zero_points = parameters.zeroPoint
    zero_point = int(zero_points[0]) if zero_points is not None and len(zero_points) else 0
    return TensorFormat(dtype, float(parameters.scale[0]), zero_point)
