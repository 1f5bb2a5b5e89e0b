"""Fourth stage: trained weights → the bundle. Normalisation folded, int8 throughout the convolutions, the gate joined on.

The picture goes in as plain uint8 bytes and the scores come out as uint8, as with AutoML's export. In between,
convolutions are int8 with a scale for each output channel; the pooled features, the small head and the gate behind
them (see evidence.py) are float32.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from evidence import choose_bias, choose_threshold, gated, stored
from head import connect, gated_head
from network import FEATURES, SIDE_PX, Convolution, Network, Residual
from photos import STORED_PX, photos, plain
from places import BACKGROUND, LABELS, WORK
from prepare import load
from writer import INT8, UINT8, Writer

NAME, VERSION, CREATED = "flowers", "0.2.0", "2026-11-25"
CALIBRATED_ON = 384
# Values beyond this share of all are cut off when activations are stored as bytes.
KEPT_SHARE = 0.9999
_RELU = schema.ActivationFunctionType.RELU

Array = np.ndarray


def export(name: str, folder: Path) -> None:
    """Writes the bundle of the weights in <name>.pt to a folder; bias and threshold are chosen on flowers val."""
    network = Network().eval()
    network.load_state_dict(torch.load(WORK / f"{name}.pt"))
    pictures = load()
    edge = (STORED_PX - SIDE_PX) // 2
    middle = slice(edge, edge + SIDE_PX)
    rng = np.random.default_rng(0)
    sample = np.sort(rng.choice(len(pictures.label), CALIBRATED_ON, replace=False))
    ranges = _ranges(network, pictures.pixels[sample][:, middle, middle])
    logits, truth = _logits_of_val(_write(network, ranges, None))
    bias = choose_bias(logits, truth)
    threshold = choose_threshold(stored(gated(logits, bias)), truth)
    write_bundle(_write(network, ranges, bias), folder, threshold)
    print(f"{name}: bias {bias:.1f}, threshold {threshold:.2f}", flush=True)


def _logits_of_val(model: bytes) -> tuple[Array, Array]:
    """What a model without its gate says of flowers val: logits (n, labels + 1), and the labels' indices (n,)."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    place, output = (
        details()[0]["index"] for details in (interpreter.get_input_details, interpreter.get_output_details)
    )
    logits, truth = [], []
    for label, _, pixels in photos("flowers", "val"):
        interpreter.set_tensor(place, plain(pixels, SIDE_PX)[None])
        interpreter.invoke()
        logits.append(interpreter.get_tensor(output)[0])
        truth.append(LABELS.index(label))
    return np.stack(logits), np.array(truth)


def write_bundle(model: bytes, folder: Path, threshold: float) -> None:
    """The bundle in AutoML's form: model.tflite, dict.txt, manifest.json."""
    labels = "".join(f"{label}\n" for label in (*LABELS, BACKGROUND)).encode()
    manifest = {
        "modelType": "IMAGE_LABELING",
        "modelFile": "model.tflite",
        "labelsFile": "dict.txt",
        "name": NAME,
        "version": VERSION,
        "confidenceThreshold": threshold,
        "backgroundLabel": BACKGROUND,
        "sha256": {"model.tflite": hashlib.sha256(model).hexdigest(), "dict.txt": hashlib.sha256(labels).hexdigest()},
        "created": CREATED,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(model)
    (folder / "dict.txt").write_bytes(labels)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"wrote {folder}: {len(model):,} bytes")


@torch.no_grad()
def _ranges(network: Network, pixels: Array) -> list[tuple[float, float]]:
    """Least and greatest value after each convolution and each addition, in the order in which _write stores them."""
    found: list[tuple[float, float]] = []

    def keep(signal: torch.Tensor) -> torch.Tensor:
        values = signal.numpy().ravel()
        least, most = np.quantile(values[:: max(1, len(values) // 2_000_000)], (1 - KEPT_SHARE, KEPT_SHARE))
        found.append((min(0.0, float(least)), float(most)))
        return signal

    signal = (torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2) - 128) / 128
    for part in network.body:
        if isinstance(part, Residual):
            inner = keep(F.relu(part.first(signal)))
            signal = keep(F.relu(signal + keep(part.second(inner))))
        else:
            signal = keep(F.relu(part(signal)))
    return found


def _write(network: Network, ranges: list[tuple[float, float]], bias: float | None) -> bytes:
    """The .tflite; without a bias, its output are the logits."""
    writer, left = Writer(), iter(ranges)
    picture = writer.tensor("picture", (1, SIDE_PX, SIDE_PX, 3), UINT8, 1 / 128, 128)
    signal = writer.operator(
        "QUANTIZE",
        [picture],
        writer.tensor("centred", (1, SIDE_PX, SIDE_PX, 3), INT8, 1 / 128),
        schema.QuantizeOptionsT(),
    )
    stored = _Stored(signal, 1 / 128, SIDE_PX)
    for number, part in enumerate(network.body):
        if isinstance(part, Residual):
            inner = _convolve(writer, stored, part.first, next(left), f"{number}/first", _RELU)
            inner = _convolve(writer, inner, part.second, next(left), f"{number}/second", 0)
            scale, zero_point = _steps(next(left))
            options = schema.AddOptionsT()
            options.fusedActivationFunction = _RELU
            shape = (1, stored.side_px, stored.side_px, part.first.weights.out_channels)
            total = writer.tensor(f"{number}", shape, INT8, scale, zero_point)
            stored = _Stored(
                writer.operator("ADD", [stored.tensor, inner.tensor], total, options), scale, stored.side_px
            )
        else:
            stored = _convolve(writer, stored, part, next(left), f"{number}", _RELU)
    last = writer.tensor("features", (1, stored.side_px, stored.side_px, FEATURES))
    writer.operator("DEQUANTIZE", [stored.tensor], last, schema.DequantizeOptionsT())
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideW = options.strideH = options.filterWidth = options.filterHeight = stored.side_px
    pooled = writer.operator("AVERAGE_POOL_2D", [last], writer.tensor("pooled", (1, 1, 1, FEATURES)), options)
    weights, offsets = (values.detach().numpy() for values in (network.head.weight, network.head.bias))
    if bias is None:
        return writer.finish([picture], [connect(writer, pooled, weights, offsets, "logits")], "logits")
    scores = gated_head(writer, pooled, weights, offsets, bias)
    output = writer.tensor("scores", (1, len(LABELS) + 1), UINT8, 1 / 256)
    writer.operator("QUANTIZE", [scores], output, schema.QuantizeOptionsT())
    return writer.finish([picture], [output], f"{NAME} {VERSION}: five flowers", (*LABELS, BACKGROUND))


class _Stored:
    """A tensor of the graph, its scale, and the side of the picture in it."""

    def __init__(self, tensor: int, scale: float, side_px: int):
        self.tensor, self.scale, self.side_px = tensor, scale, side_px


def _steps(least_and_most: tuple[float, float]) -> tuple[float, int]:
    """Scale and zero point of int8 for values in a range that holds 0."""
    least, most = least_and_most
    scale = max(most - least, 1e-6) / 255
    return scale, int(np.clip(round(-128 - least / scale), -128, 127))


def _convolve(
    writer: Writer, signal: _Stored, part: Convolution, span: tuple[float, float], name: str, activation: int
) -> _Stored:
    weights, bias = (values.detach().numpy() for values in part.folded())
    # TFLite wants (out, height, width, in).
    weights = weights.transpose(0, 2, 3, 1)
    scales = np.maximum(np.abs(weights).reshape(len(weights), -1).max(axis=1), 1e-8) / 127
    whole = np.round(weights / scales[:, None, None, None]).astype(np.int8)
    bias_scales = scales.astype(np.float32) * np.float32(signal.scale)
    options = schema.Conv2DOptionsT()
    options.padding, options.strideW, options.strideH = schema.Padding.SAME, part.stride, part.stride
    options.dilationWFactor = options.dilationHFactor = 1
    options.fusedActivationFunction = activation
    side_px = signal.side_px // part.stride
    scale, zero_point = _steps(span)
    inputs = [
        signal.tensor,
        writer.constant(f"{name}/weights", whole, scales),
        writer.constant(f"{name}/bias", np.round(bias / bias_scales).astype(np.int32), bias_scales),
    ]
    output = writer.tensor(f"{name}/out", (1, side_px, side_px, len(weights)), INT8, scale, zero_point)
    return _Stored(writer.operator("CONV_2D", inputs, output, options), scale, side_px)
