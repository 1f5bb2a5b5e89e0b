"""Writes a .tflite operator by operator, without TensorFlow.

Only old, standard operators, so that LiteRT and tflite-runtime both take it. Vectors of bytes begin at multiples of 16,
as the format's schema asks for buffers: kernels on Arm rely on it.
"""

import io
import zipfile

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

Array = np.ndarray
FLOAT, INT8, UINT8 = schema.TensorType.FLOAT32, schema.TensorType.INT8, schema.TensorType.UINT8
_KINDS = {"float32": FLOAT, "int8": INT8, "uint8": UINT8, "int32": schema.TensorType.INT32}
# The version from which on an operator takes int8 (and float32 as well).
_VERSIONS = {"CONV_2D": 3, "ADD": 2, "QUANTIZE": 2, "DEQUANTIZE": 2}


class _Builder(flatbuffers.Builder):
    def CreateNumpyVector(self, x: Array) -> int:
        if x.dtype != np.uint8:
            return super().CreateNumpyVector(x)
        self.StartVector(1, x.size, 16)
        self.head -= x.size
        self.Bytes[self.head : self.head + x.size] = x.tobytes()
        return self.EndVector()


class Writer:
    """A model that grows. Tensors are known by their index."""

    def __init__(self) -> None:
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._codes: list[schema.OperatorCodeT] = []
        # Buffer 0 is the empty one that the format asks for.
        self._buffers = [schema.BufferT()]

    def tensor(
        self, name: str, shape: tuple[int, ...], kind: int = FLOAT, scale: float | None = None, zero_point: int = 0
    ) -> int:
        """Adds a tensor that is filled at run time; a scale where it is quantised."""
        return self._add(name, shape, kind, None, None if scale is None else np.array([scale]), zero_point)

    def constant(self, name: str, values: Array, scales: Array | None = None) -> int:
        """Adds a tensor with its values; with zero point 0 and one scale for each first index where it is quantised."""
        return self._add(name, values.shape, _KINDS[values.dtype.name], values, scales, 0)

    def operator(self, name: str, inputs: list[int], output: int, options: object | None = None) -> int:
        """Adds an operator, with its options (such as schema.Conv2DOptionsT()), and gives its output's index."""
        code, version = getattr(schema.BuiltinOperator, name), _VERSIONS.get(name, 1)
        known = [entry.builtinCode for entry in self._codes]
        if code not in known:
            entry = schema.OperatorCodeT()
            # All codes here are below 127: old readers look at the deprecated field, new ones at the larger of both.
            entry.builtinCode = entry.deprecatedBuiltinCode = code
            entry.version = version
            self._codes.append(entry)
            known.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = known.index(code)
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        if options is not None:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
            operator.builtinOptions = options
        self._graph.operators.append(operator)
        return output

    def finish(self, inputs: list[int], outputs: list[int], description: str, labels: tuple[str, ...] = ()) -> bytes:
        """The file's bytes; the labels, where there are any, stand in a zip at its end as labels.txt."""
        self._graph.inputs, self._graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        model = schema.ModelT()
        model.version, model.description = 3, description
        model.operatorCodes, model.subgraphs, model.buffers = self._codes, [self._graph], self._buffers
        builder = _Builder(1 << 21)
        builder.Finish(model.Pack(builder), b"TFL3")
        file = io.BytesIO(bytes(builder.Output()))
        if labels:
            file.seek(0, io.SEEK_END)
            with zipfile.ZipFile(file, "a") as archive:
                archive.writestr(
                    zipfile.ZipInfo("labels.txt", (1980, 1, 1, 0, 0, 0)), "".join(f"{label}\n" for label in labels)
                )
        return file.getvalue()

    def _add(
        self, name: str, shape: tuple[int, ...], kind: int, values: Array | None, scales: Array | None, zero_point: int
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name.encode(), np.array(shape, np.int32), kind
        tensor.buffer = len(self._buffers)
        if scales is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.asarray(scales, np.float32)
            tensor.quantization.zeroPoint = np.full(len(scales), zero_point, np.int64)
        buffer = schema.BufferT()
        if values is not None:
            little = values.astype(values.dtype.newbyteorder("<"))
            buffer.data = np.frombuffer(np.ascontiguousarray(little).tobytes(), np.uint8)
        self._buffers.append(buffer)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1
