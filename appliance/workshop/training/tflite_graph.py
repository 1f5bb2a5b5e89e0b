"""Edit a .tflite file as a graph: cut it and append operators, without TensorFlow.

A base is opened and cut at its pooled features (the rest is removed, including every tensor, buffer and operator code
that is no longer used), and the operators of a new head are appended. The generated readers and writers of
tensorflow/lite/schema/schema.fbs that are part of LiteRT read and write the file; models are not run here.

They leave this to their user:

- An old file has an operator in `deprecatedBuiltinCode`, a new one in `builtinCode`: the larger counts.
- The Python writer does not align the buffers to 16 bytes, which schema.fbs requires and Arm processors need.
- Metadata and signatures describe the removed output, so they are removed.
- Buffer 0 must stay empty; tensors without data refer to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from appliance.errors import BaseModelError

Op = schema.BuiltinOperator
_POOLS = (Op.AVERAGE_POOL_2D, Op.MEAN)
_TYPES: dict[np.dtype, int] = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int32): schema.TensorType.INT32,
}
_DTYPES: dict[int, np.dtype] = {number: dtype for dtype, number in _TYPES.items()}
_ALIGNMENT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Pooled:
    """The tensor of pooled features: value = (stored − zero_point) · scale, scale 0 if it is not quantized."""

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float
    zero_point: int

    @property
    def size(self) -> int:
        """The number of features."""
        return self.shape[-1]

    def dequantize(self, stored: np.ndarray) -> np.ndarray:
        """Convert stored features (pictures, size) to float64."""
        if self.scale:
            return (stored.astype(np.float64) - self.zero_point) * np.float64(np.float32(self.scale))
        return stored.astype(np.float64)


class Graph:
    """The only graph of a .tflite file, edited in place."""

    def __init__(self, model: bytes, display_name: str) -> None:
        """Read the graph of a model.

        Args:
            model: The bytes of a .tflite file.
            display_name: How to refer to it in errors.

        Raises:
            BaseModelError: It is damaged, or of a kind that cannot be edited.
        """
        self._display_name = display_name
        try:
            self._model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
            graphs = self._model.subgraphs or []
            self._codes = [
                max(code.builtinCode, code.deprecatedBuiltinCode) for code in self._model.operatorCodes or []
            ]
        except Exception as error:
            raise BaseModelError(f"{display_name} is damaged: its graph cannot be read") from error
        if len(graphs) != 1 or not graphs[0].operators or len(graphs[0].inputs) != 1 or len(graphs[0].outputs) != 1:
            raise BaseModelError(
                f"{display_name} cannot serve as a base: an image classifier or extractor has one graph with one input "
                "and one output"
            )
        if any((buffer.offset or 0) > 1 for buffer in self._model.buffers):
            raise BaseModelError(f"{display_name} cannot serve as a base: its weights are outside the flatbuffer")
        self._graph = graphs[0]

    @property
    def output(self) -> int:
        """The index of the graph's output tensor."""
        return int(self._graph.outputs[0])

    def find_pooled(self) -> Pooled:
        """Find the pooled features: the last average over the whole picture that the output depends on exclusively.

        The search goes back from the output, past the layers of a classifier. An average inside a block (squeeze and
        excitation) is skipped, because other paths bypass it.

        Raises:
            BaseModelError: There are none.
        """
        operators = self._graph.operators
        for index in sorted(self._find_needed([self.output]), reverse=True):
            operator = operators[index]
            output = int(operator.outputs[0])
            tensor = self._graph.tensors[output]
            shape = tuple(int(size) for size in (tensor.shape if tensor.shape is not None else ()))
            channels_only = len(shape) in (2, 4) and shape[-1] > 1 and all(size == 1 for size in shape[:-1])
            if self._codes[operator.opcodeIndex] not in _POOLS or not channels_only or tensor.type not in _DTYPES:
                continue
            if self._is_bypassed(output):
                continue
            scale, zero_point = _read_quantization(tensor)
            return Pooled(output, shape, _DTYPES[tensor.type], scale, zero_point)
        raise BaseModelError(
            f"{self._display_name} cannot serve as a base: it has no layer that averages its features over the picture "
            "(AVERAGE_POOL_2D or MEAN); use an image classifier or an embedding extractor, such as a MobileNet"
        )

    def cut(self, output: int) -> int:
        """Make tensor `output` the graph's output and remove everything that it does not depend on.

        Returns:
            The tensor's new index.
        """
        graph, model = self._graph, self._model
        graph.operators = [graph.operators[index] for index in sorted(self._find_needed([output]))]
        used = {int(graph.inputs[0]), output}
        for operator in graph.operators:
            lists = (operator.inputs, operator.outputs, operator.intermediates)
            used |= {int(index) for indices in lists if indices is not None for index in indices if index >= 0}
        tensors = {old: new for new, old in enumerate(sorted(used))}
        graph.tensors = [graph.tensors[old] for old in tensors]
        for operator in graph.operators:
            for name in ("inputs", "outputs", "intermediates"):
                if (indices := getattr(operator, name)) is not None:
                    setattr(operator, name, [tensors.get(int(index), -1) for index in indices])
        graph.inputs, graph.outputs = [tensors[int(graph.inputs[0])]], [tensors[output]]
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
        return tensors[output]

    def add_constant(self, values: np.ndarray, name: str) -> int:
        """Add a constant tensor (float32 or int32); return its index."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(
            np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes(), np.uint8
        )
        self._model.buffers.append(buffer)
        return self._add_tensor(values.shape, values.dtype, name, len(self._model.buffers) - 1)

    def add(
        self, code: int, inputs: Sequence[int], shape: Sequence[int], name: str, options: Any = None, version: int = 1
    ) -> int:
        """Append an operator with one float32 output of the given shape.

        Args:
            code: One of schema.BuiltinOperator.
            inputs: Indices of tensors.
            shape: Of the output.
            name: Of the output.
            options: The options table, such as schema.SoftmaxOptionsT; its class names the kind.
            version: Of the operator; a runtime rejects a version that does not support its types.

        Returns:
            The index of the output.
        """
        output = self._add_tensor(shape, np.dtype(np.float32), name, 0)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._get_opcode(code, version)
        operator.inputs, operator.outputs = list(inputs), [output]
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._graph.operators.append(operator)
        return output

    def pack(self, output: int, description: str, metadata: bytes | None = None) -> bytes:
        """Return the graph as a .tflite file.

        Args:
            output: The tensor that becomes the graph's output.
            description: The file's own.
            metadata: The TFLITE_METADATA flatbuffer.
        """
        self._graph.outputs = [output]
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
        kept, model.buffers = model.buffers, [_AlignedBuffer(buffer.data) for buffer in buffers]
        try:
            builder = flatbuffers.Builder(
                sum(0 if buffer.data is None else len(buffer.data) for buffer in buffers) + (1 << 16)
            )
            builder.Finish(model.Pack(builder), b"TFL3")
            return bytes(builder.Output())
        finally:
            model.buffers = kept

    def _find_needed(self, outputs: Sequence[int], stop: int | None = None) -> set[int]:
        """Return the indexes of all operators that `outputs` depend on, not going back beyond the tensor `stop`."""
        producers = {
            int(output): index for index, operator in enumerate(self._graph.operators) for output in operator.outputs
        }
        found: set[int] = set()
        pending = list(outputs)
        while pending:
            tensor = pending.pop()
            index = producers.get(tensor)
            if index is None or tensor == stop or index in found:
                continue
            found.add(index)
            pending.extend(int(needed) for needed in self._graph.operators[index].inputs if needed >= 0)
        return found

    def _is_bypassed(self, tensor: int) -> bool:
        """Return whether the output depends on the picture by a path that does not include `tensor`."""
        if tensor == self.output:
            return False
        operators = self._graph.operators
        others = self._find_needed([self.output], stop=tensor)
        picture = int(self._graph.inputs[0])
        return any(picture in {int(tensor) for tensor in operators[index].inputs} for index in others)

    def _add_tensor(self, shape: Sequence[int], dtype: np.dtype, name: str, buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = (
            name,
            [int(size) for size in shape],
            _TYPES[dtype],
            buffer,
        )
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

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


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]  # the generated code has no types
    """A buffer at a multiple of 16 bytes, as schema.fbs requires."""

    def Pack(self, builder: flatbuffers.Builder) -> Any:  # noqa: N802 - the generated code's name
        data = None
        if self.data is not None and len(self.data):
            payload = np.asarray(self.data, np.uint8).tobytes()
            builder.StartVector(1, len(payload), _ALIGNMENT_BYTES)
            builder.head -= len(payload)
            builder.Bytes[builder.head : builder.head + len(payload)] = payload
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def _read_quantization(tensor: Any) -> tuple[float, int]:
    parameters = tensor.quantization
    if (
        tensor.type == schema.TensorType.FLOAT32
        or parameters is None
        or parameters.scale is None
        or not len(parameters.scale)
    ):
        return 0.0, 0
    zero_points = parameters.zeroPoint
    return float(parameters.scale[0]), int(zero_points[0]) if zero_points is not None and len(zero_points) else 0
