"""Choose how int8 stores the values and the weights of a layer."""

from dataclasses import dataclass

import numpy as np

from appliance.workshop.training.tflite_graph import TensorFormat

_INT8 = np.dtype(np.int8)
# This share of the values is clipped.
KEPT_SHARE = 0.9999
_MAX_VALUES = 2_000_000
_MAX_BIAS = 2**30


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The lowest and the highest value that a tensor must store; the lowest is at most 0."""

    least: float
    greatest: float


def compute_range(values: np.ndarray) -> ValueRange:
    """Compute the range of (n,) values without the most extreme ones."""
    sample = values[:: max(1, len(values) // _MAX_VALUES)]
    least, greatest = np.quantile(sample, (1 - KEPT_SHARE, KEPT_SHARE))
    return ValueRange(min(0.0, float(least)), float(greatest))


def choose_int8_format(span: ValueRange) -> TensorFormat:
    """Choose the scale and zero point of int8 for a range of values that includes 0."""
    scale = max(span.greatest - span.least, 1e-6) / 255
    return TensorFormat(_INT8, scale, int(np.clip(round(-128 - span.least / scale), -128, 127)))


@dataclass(frozen=True, slots=True)
class QuantizedConvolution:
    """A quantized convolution; value = stored · scale of its output channel.

    Attributes:
        weights: (outputs, height, width, inputs) int8.
        scales: (outputs,), the scales of the weights.
        bias: (outputs,) int32.
        bias_scales: (outputs,) float32.
    """

    weights: np.ndarray
    scales: np.ndarray
    bias: np.ndarray
    bias_scales: np.ndarray


def quantize_convolution(weights: np.ndarray, bias: np.ndarray, scale: float) -> QuantizedConvolution:
    """Quantize a convolution's weights to int8 and its bias to int32.

    Args:
        weights: (outputs, height, width, inputs) float32.
        bias: (outputs,) float32.
        scale: The scale of the convolution's input.
    """
    # The second bound keeps the bias of a channel whose weights are almost 0 within int32.
    least = np.maximum(1e-8, np.abs(bias) * (127 / (_MAX_BIAS * scale)))
    scales = np.maximum(np.abs(weights).reshape(len(weights), -1).max(axis=1), least) / 127
    whole = np.round(weights / scales[:, None, None, None]).astype(np.int8)
    bias_scales = scales.astype(np.float32) * np.float32(scale)
    return QuantizedConvolution(whole, scales, np.round(bias / bias_scales).astype(np.int32), bias_scales)
