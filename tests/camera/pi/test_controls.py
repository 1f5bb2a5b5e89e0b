"""Validation of camera.controls against the controls of a Camera Module 3."""

import pytest

from appliance.camera.pi.controls import ControlSpec, check_controls, find_longest_silence_s
from appliance.errors import SettingsError

MODULE_3 = {
    "AeEnable": ControlSpec("Bool", 0, False, True),
    "AwbMode": ControlSpec("Integer32", 0, 0, 7),
    "AfMode": ControlSpec("Integer32", 0, 0, 2),
    "AfWindows": ControlSpec("Rectangle", -1),
    "Brightness": ControlSpec("Float", 0, -1.0, 1.0),
    "ColourGains": ControlSpec("Float", 2, 0.0, 32.0),
    "ExposureTime": ControlSpec("Integer32", 0, 26, 112015096),
    "ScalerCrop": ControlSpec("Rectangle", 0, (768, 432, 64, 64), (768, 432, 3072, 1728)),
}


@pytest.mark.parametrize(
    ("control", "taken"),
    [
        ({"AwbMode": 1}, {"AwbMode": 1}),
        ({"Brightness": 1}, {"Brightness": 1.0}),
        ({"ColourGains": [1.5, 2]}, {"ColourGains": (1.5, 2.0)}),
        ({"ExposureTime": 0}, {"ExposureTime": 0}),  # back to automatic
        ({"ScalerCrop": [0, 0, 640, 480]}, {"ScalerCrop": (0, 0, 640, 480)}),
        ({"AfWindows": [[0, 0, 64, 64], [64, 64, 64, 64]]}, {"AfWindows": ((0, 0, 64, 64), (64, 64, 64, 64))}),
        ({"AeEnable": False}, {"AeEnable": False}),
    ],
)
def test_valid_controls_are_converted(control, taken):
    assert check_controls(control, MODULE_3) == taken


@pytest.mark.parametrize(
    ("control", "sentence"),
    [
        ({"AwbMod": 1}, "AwbMod: this camera has no such control; did you mean AwbMode"),
        ({"AwbMode": 9}, "AwbMode must be from 0 to 7, not 9"),
        ({"AwbMode": 1.0}, "AwbMode must be a whole number"),
        ({"AwbMode": True}, "AwbMode must be a whole number"),
        ({"AeEnable": 1}, "AeEnable must be true or false"),
        ({"Brightness": "high"}, "Brightness must be a number"),
        pytest.param({"Brightness": 10**400}, "Brightness must be from -1 to 1", id="more than a float holds"),
        ({"ColourGains": [1.0]}, "ColourGains must be a list of 2"),
        ({"ColourGains": [1.0, 99.0]}, "ColourGains must be from 0 to 32"),
        ({"ScalerCrop": [0, 0, 640]}, "ScalerCrop must be 4 whole numbers"),
        ({"AfWindows": []}, "AfWindows must be a list of one or more"),
    ],
)
def test_invalid_controls_are_explained(control, sentence):
    with pytest.raises(SettingsError, match=sentence):
        check_controls(control, MODULE_3)


@pytest.mark.parametrize(
    ("controls", "longest_s"),
    [
        ({}, 0),
        ({"FrameRate": 0.1}, 30),
        ({"FrameDurationLimits": (100_000, 10_000_000)}, 30),
        ({"ExposureTime": 6_000_000, "AwbMode": 1}, 18),
        ({"FrameRate": 30.0}, 0.1),
        ({"FrameRate": 0}, 0),
    ],
)
def test_slow_rates_explain_a_longer_silence(controls, longest_s):
    assert find_longest_silence_s(controls) == pytest.approx(longest_s)
