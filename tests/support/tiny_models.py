"""Make .tflite files of a few hundred bytes whose scores can be computed mentally.

The graph is the mean over the picture: [1, height, width, 3] → [1, 3], so its three outputs are the red, green and blue
of a picture; SOFTMAX, LOGISTIC or an unknown operator can follow.
"""

import importlib.util
import io
import zipfile
from pathlib import Path

import flatbuffers
import numpy as np

from appliance.workshop.training import tflite_schema as schema

COLORS = ("red", "green", "blue")
# The runtimes that work here: tflite-runtime needs numpy 1.
_PACKAGES = {"litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}
RUNTIMES = [
    runtime
    for runtime, package in _PACKAGES.items()
    if importlib.util.find_spec(package) and (runtime == "litert" or np.__version__.startswith("1."))
]
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "uint8": schema.TensorType.UINT8,
    "int8": schema.TensorType.INT8,
    "int32": schema.TensorType.INT32,
}
_OPERATORS = {
    "softmax": schema.BuiltinOperator.SOFTMAX,
    "logistic": schema.BuiltinOperator.LOGISTIC,
    "custom": schema.BuiltinOperator.CUSTOM,
}


def tiny_model(
    dtype: str = "float32",
    ending: str | None = "softmax",
    input_shape: tuple[int, ...] = (1, 8, 6, 3),
    signature: tuple[int, ...] | None = None,
    scale: float = 1 / 255,
    metadata: bytes | None = None,
    outputs: int = 1,
    single: bool = False,
    channels_first: bool = False,
    custom_operator: str = "unknown-operator",
) -> bytes:
    """Build a model.

    Args:
        dtype: The type of input and output.
        ending: softmax, logistic, custom (an unknown operator) or None.
        input_shape: (1, height, width, channels), or (1, height, width), or with the channels first.
        signature: The same with −1 for a dynamic size.
        scale: The scale of the quantized mean; the stored value 255 means scale · 255.
        metadata: The TFLITE_METADATA buffer.
        outputs: 2 adds the mean as a second output.
        single: The mean is over the colors too, so there is one output.
        channels_first: The channels of input_shape come before the height.
        custom_operator: The name of the custom operator of the ending `custom`.
    """
    model = schema.ModelT()
    model.version, model.description = 3, "tiny"
    model.buffers = [schema.BufferT(), schema.BufferT()]
    has_channels = len(input_shape) == 4
    axes = list(range(1, len(input_shape))) if single or not has_channels else [2, 3] if channels_first else [1, 2]
    model.buffers[1].data = np.frombuffer(np.array(axes, "<i4").tobytes(), np.uint8)
    zero = -128 if dtype == "int8" else 0
    channels = 1 if single or not has_channels else input_shape[1 if channels_first else 3]
    graph = schema.SubGraphT()
    graph.tensors = [
        _tensor("picture", input_shape, dtype, scale, zero),
        _tensor("axes", (len(axes),), "int32", 0, 0, buffer=1),
        _tensor("mean", (1,) if single or not has_channels else (1, channels), dtype, scale, zero),
    ]
    graph.tensors[0].shapeSignature = list(signature) if signature else None
    graph.inputs, graph.outputs = [0], [2]
    model.operatorCodes = [_code(schema.BuiltinOperator.MEAN)]
    graph.operators = [_operator(0, [0, 1], [2])]
    graph.operators[0].builtinOptionsType = schema.BuiltinOptions.ReducerOptions
    graph.operators[0].builtinOptions = schema.ReducerOptionsT()
    if ending:
        graph.tensors.append(_tensor("score", (1, channels), dtype, 1 / 256, zero))
        model.operatorCodes.append(_code(_OPERATORS[ending], custom_operator))
        graph.operators.append(_operator(1, [2], [3]))
        graph.outputs = [3] if outputs == 1 else [3, 2]
        if ending == "softmax":
            graph.operators[1].builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions
            graph.operators[1].builtinOptions = schema.SoftmaxOptionsT()
            graph.operators[1].builtinOptions.beta = 1.0
    model.subgraphs = [graph]
    if metadata is not None:
        model.buffers.append(schema.BufferT())
        model.buffers[2].data = np.frombuffer(metadata, np.uint8)
        entry = schema.MetadataT()
        entry.name, entry.buffer = "TFLITE_METADATA", 2
        model.metadata = [entry]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def metadata(
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    threshold: float | None = None,
    label_files: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """Build a TFLITE_METADATA buffer (metadata_schema.fbs); label_files are (name, locale)."""
    builder = flatbuffers.Builder(256)
    tensor_in = _tensor_metadata(builder, _normalization(builder, mean, std) if mean else None, [])
    files = [_associated_file(builder, name, locale) for name, locale in label_files]
    tensor_out = _tensor_metadata(builder, _thresholding(builder, threshold) if threshold is not None else None, files)
    graph = _table(builder, 5, {2: _vector(builder, [tensor_in]), 3: _vector(builder, [tensor_out])})
    builder.Finish(_table(builder, 8, {3: _vector(builder, [graph])}), b"M001")
    return bytes(builder.Output())


def with_files(model: bytes, files: dict[str, str]) -> bytes:
    """Append files as TFLite metadata does: a zip at the end."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return model + packed.getvalue()


def write_tiny(
    folder: Path, model: bytes | None = None, labels: str = "red\ngreen\nblue\n", manifest: str | None = None
) -> Path:
    """Write a bundle folder in AutoML's format."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(tiny_model() if model is None else model)
    (folder / "dict.txt").write_text(labels)
    manifest = manifest or '{"modelType": "IMAGE_LABELING", "modelFile": "model.tflite", "labelsFile": "dict.txt"}'
    (folder / "manifest.json").write_text(manifest)
    return folder


def _tensor(name: str, shape: tuple[int, ...], dtype: str, scale: float, zero: int, buffer: int = 0) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), _TYPES[dtype], buffer
    if dtype in ("uint8", "int8"):
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero]
    return tensor


def _code(builtin: int, custom_operator: str = "") -> schema.OperatorCodeT:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    code.customCode = custom_operator if builtin == schema.BuiltinOperator.CUSTOM else None
    return code


def _operator(code: int, inputs: list[int], outputs: list[int]) -> schema.OperatorT:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, outputs
    return operator


def _table(builder: flatbuffers.Builder, slots: int, offsets: dict[int, int]) -> int:
    builder.StartObject(slots)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return builder.EndObject()


def _vector(builder: flatbuffers.Builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _floats(builder: flatbuffers.Builder, values: tuple[float, ...]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return builder.EndVector()


def _unit(builder: flatbuffers.Builder, kind: int, options: int) -> int:
    builder.StartObject(2)
    builder.PrependUint8Slot(0, kind, 0)
    builder.PrependUOffsetTRelativeSlot(1, options, 0)
    return builder.EndObject()


def _normalization(builder: flatbuffers.Builder, mean: tuple[float, ...], std: tuple[float, ...] | None) -> int:
    return _unit(builder, 1, _table(builder, 2, {0: _floats(builder, mean), 1: _floats(builder, std or (1.0,))}))


def _thresholding(builder: flatbuffers.Builder, threshold: float) -> int:
    builder.StartObject(1)
    builder.PrependFloat32Slot(0, threshold, 0.0)
    return _unit(builder, 3, builder.EndObject())


def _associated_file(builder: flatbuffers.Builder, name: str, locale: str) -> int:
    name_at, locale_at = builder.CreateString(name), builder.CreateString(locale)
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(0, name_at, 0)
    builder.PrependInt8Slot(2, 2, 0)
    builder.PrependUOffsetTRelativeSlot(3, locale_at, 0)
    return builder.EndObject()


def _tensor_metadata(builder: flatbuffers.Builder, unit: int | None, files: list[int]) -> int:
    offsets = {}
    if unit is not None:
        offsets[4] = _vector(builder, [unit])
    if files:
        offsets[6] = _vector(builder, files)
    return _table(builder, 7, offsets)
