"""int8 formats of values and weights."""

import numpy as np
import pytest

from appliance.workshop.training.lite0.quantization import (
    ValueRange,
    choose_int8_format,
    compute_range,
    quantize_convolution,
)


def test_range_leaves_out_the_outermost_values():
    values = np.append(np.linspace(-1, 2, 100_000), [50.0, -50.0])
    span = compute_range(values)
    assert span.least == pytest.approx(-1, abs=0.01)
    assert span.greatest == pytest.approx(2, abs=0.01)


def test_range_of_positive_values_begins_at_0():
    assert compute_range(np.linspace(1, 2, 1000)).least == 0


@pytest.mark.parametrize("span", [ValueRange(0, 6.3), ValueRange(-1.5, 2.5), ValueRange(-3, 0)])
def test_format_stores_both_ends_and_zero(span):
    stored = choose_int8_format(span)
    for value in (span.least, 0.0, span.greatest):
        byte = np.clip(round(value / stored.scale + stored.zero_point), -128, 127)
        assert (byte - stored.zero_point) * stored.scale == pytest.approx(value, abs=stored.scale)
    assert stored.dtype == np.int8


def test_format_of_constant_zero_has_a_scale():
    assert choose_int8_format(ValueRange(0, 0)).scale > 0


def test_quantized_convolution_is_within_half_a_step():
    rng = np.random.default_rng(0)
    weights = (rng.standard_normal((5, 3, 3, 4)) * rng.uniform(0.01, 4, (5, 1, 1, 1))).astype(np.float32)
    bias = rng.standard_normal(5).astype(np.float32)
    quantized = quantize_convolution(weights, bias, 0.02)
    assert quantized.weights.dtype == np.int8
    assert quantized.bias.dtype == np.int32
    assert (np.abs(quantized.weights.reshape(5, -1)).max(axis=1) == 127).all()
    scales = quantized.scales[:, None, None, None]
    assert (np.abs(quantized.weights * scales - weights) <= scales * 0.5001).all()
    assert (np.abs(quantized.bias * quantized.bias_scales - bias) <= quantized.bias_scales * 0.5001).all()
    assert quantized.bias_scales == pytest.approx(quantized.scales * 0.02)


def test_convolution_without_weights_can_be_quantized():
    quantized = quantize_convolution(np.zeros((1, 1, 1, 1), np.float32), np.zeros(1, np.float32), 1.0)
    assert quantized.weights.tolist() == [[[[0]]]]
    assert np.isfinite(quantized.bias_scales).all()


def test_bias_of_a_channel_without_weights_stays_within_int32():
    quantized = quantize_convolution(np.zeros((2, 1, 1, 4), np.float32), np.array([3.0, -3.0], np.float32), 0.01)
    assert quantized.bias * quantized.bias_scales == pytest.approx([3, -3], rel=1e-3)
