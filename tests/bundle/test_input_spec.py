"""The statements about a model's input: which one counts, how they are written, and how they are described."""

import math

import pytest

from appliance.bundle.input_spec import (
    ASSUMED,
    METADATA,
    ChannelOrder,
    DeclaredInput,
    InputSpec,
    ResizeMode,
    check_normalization,
    combine,
    convert_range,
    list_common_ranges,
    override,
)


@pytest.mark.parametrize(("low", "high"), [(0, 255), (0, 1), (-1, 1), (-128, 127), (1, 0)])
def test_range_maps_black_and_white_to_its_ends(low, high):
    (mean,), (std,) = convert_range(low, high)
    assert (0 - mean) / std == pytest.approx(low) and (255 - mean) / std == pytest.approx(high)


@pytest.mark.parametrize("limits", [(1, 1), (0, math.inf), (math.nan, 1)])
def test_range_without_two_finite_ends_is_rejected(limits):
    with pytest.raises(ValueError, match="two different finite numbers"):
        convert_range(*limits)


def test_manifest_precedes_metadata_and_export():
    declared = [
        DeclaredInput((0.0,), (1.0,)),
        DeclaredInput((1.0,), (2.0,), source=METADATA),
        DeclaredInput((3.0,), (4.0,), ChannelOrder.BGR, ResizeMode.CROP, "signature.json"),
    ]
    spec = combine(declared, is_quantized=False)
    assert (spec.mean, spec.source) == ((0.0,), "manifest")
    assert (spec.channel_order, spec.resize) == (ChannelOrder.BGR, ResizeMode.CROP)  # the only statements about them
    assert combine(declared[1:], is_quantized=False).source == METADATA


def test_float_input_without_statement_is_assumed():
    spec = combine([DeclaredInput()], is_quantized=False)
    assert spec.is_assumed and spec.source == ASSUMED and spec.describe() == "-1..1 (assumed)"
    assert spec.as_manifest() == {}


def test_metadata_of_a_quantized_input_is_not_applied():
    spec = combine([DeclaredInput(), DeclaredInput((127.5,), (127.5,), source=METADATA)], is_quantized=True)
    assert spec.mean is None and spec.describe() == "0..255 (from the model's quantization)"


def test_manifest_keys_name_the_export_that_stated_them():
    spec = combine([DeclaredInput((0.0,), (255.0,), source="signature.json")], is_quantized=False)
    assert spec.as_manifest() == {"inputMean": 0.0, "inputStd": 255.0, "inputSource": "signature.json"}
    assert spec.describe_range() == "0..1 (from signature.json)"


def test_description_names_what_differs_from_the_common_case():
    spec = InputSpec((123.7, 116.3, 103.5), (58.4, 57.1, 57.4), ChannelOrder.BGR, ResizeMode.CROP, "manifest")
    assert spec.describe() == "mean 123.7/116.3/103.5, std 58.4/57.1/57.4 (from the manifest), BGR, resize crop"


def test_option_replaces_only_what_it_states():
    spec = combine([DeclaredInput((0.0,), (1.0,), ChannelOrder.BGR)], is_quantized=False)
    changed = override(spec, DeclaredInput(resize=ResizeMode.CROP))
    assert (changed.mean, changed.channel_order, changed.resize) == ((0.0,), ChannelOrder.BGR, ResizeMode.CROP)
    assert override(spec, list_common_ranges()["0..1"]).describe_values() == "0..1"


@pytest.mark.parametrize(
    ("mean", "std", "reason"),
    [((1, 2), (1,), "mean"), ((1,), (0,), "std"), ((math.nan,), (1,), "mean"), ((1,), (1,), "")],
)
def test_normalization_is_checked(mean, std, reason):
    assert (check_normalization(mean, std) or "").startswith(f"the {reason}" if reason else "")
