"""Validate camera.controls against the controls of a Pi camera before libcamera receives them.

libcamera does not validate names and values: one number for a control that takes two ends the whole process (an
assertion in native code; observed with libcamera 0.7.2 and FrameDurationLimits = 5). So every name, type, count and
bound is checked here, and an error explains what is invalid.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance.errors import SettingsError

_TOLERATED_FRAMES = 3  # a camera that misses two frames is not silent yet
_NUMBERS = {"Byte": 1, "Integer32": 1, "Integer64": 1, "Float": 1, "Point": 2, "Size": 2, "Rectangle": 4}


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """Values that a control accepts.

    Attributes:
        type: libcamera's name: Bool, Byte, Integer32, Integer64, Float, String, Rectangle, Size, Point.
        count: Length of the list; 0 means that the value is not a list, -1 a list of any length.
        low: Lower bound of numbers, if there is one: either one for each element of the list, or one for all.
        high: Upper bound, in the same form.
    """

    type: str
    count: int = 0
    low: Any = None
    high: Any = None


def check_controls(controls: Mapping[str, Any], specs: Mapping[str, ControlSpec]) -> dict[str, Any]:
    """Convert the controls to the types that libcamera expects.

    Args:
        controls: Name → value, as in the settings file.
        specs: Name → specification of the camera's controls.

    Raises:
        SettingsError: The camera does not have a control, or does not accept its value.
    """
    return {name: _convert_value(name, value, _find_spec(name, specs)) for name, value in controls.items()}


def _find_spec(name: str, specs: Mapping[str, ControlSpec]) -> ControlSpec:
    if name in specs:
        return specs[name]
    lower_case = {known.lower(): known for known in specs}
    similar = [lower_case[match] for match in difflib.get_close_matches(name.lower(), lower_case, n=3)]
    hint = f"did you mean {' or '.join(similar)}?" if similar else f"it has {', '.join(sorted(specs)) or 'none'}"
    raise SettingsError(f"camera.controls.{name}: this camera has no such control; {hint}")


def _convert_value(name: str, value: Any, spec: ControlSpec) -> Any:
    if spec.count == 0:
        return _convert_element(name, value, spec.type, spec.low, spec.high)
    if not isinstance(value, (list, tuple)) or not value or (spec.count > 0 and len(value) != spec.count):
        count = str(spec.count) if spec.count > 0 else "one or more"
        raise SettingsError(f"camera.controls.{name} must be a list of {count}, not {value!r}")
    bounds = [(_bound(spec.low, i, len(value)), _bound(spec.high, i, len(value))) for i in range(len(value))]
    return tuple(
        _convert_element(name, element, spec.type, low, high)
        for element, (low, high) in zip(value, bounds, strict=True)
    )


def _bound(bound: Any, index: int, count: int) -> Any:
    return bound[index] if isinstance(bound, (list, tuple)) and len(bound) == count else bound


def _convert_element(name: str, value: Any, type_name: str, low: Any, high: Any) -> Any:
    if type_name in ("Bool", "String"):
        python_type, expected = (bool, "true or false") if type_name == "Bool" else (str, "a string")
        if not isinstance(value, python_type):
            raise SettingsError(f"camera.controls.{name} must be {expected}, not {value!r}")
        return value
    numbers = _NUMBERS.get(type_name)
    if numbers is None:
        raise SettingsError(f"camera.controls.{name} cannot be set in the settings file (its type is {type_name})")
    if numbers == 1:
        return _convert_number(name, value, type_name == "Float", low, high)
    if not isinstance(value, (list, tuple)) or len(value) != numbers or not all(_is_integer(item) for item in value):
        raise SettingsError(f"camera.controls.{name} must be {numbers} whole numbers, not {value!r}")
    return tuple(value)


def _convert_number(name: str, value: Any, is_float: bool, low: Any, high: Any) -> float:
    if is_float and not (_is_integer(value) or isinstance(value, float)):
        raise SettingsError(f"camera.controls.{name} must be a number, not {value!r}")
    if not is_float and not _is_integer(value):
        raise SettingsError(f"camera.controls.{name} must be a whole number, not {value!r}")
    # For some controls of picamera2, 0 means automatic even if it is out of bounds.
    if value and _is_range(low, high) and not low <= value <= high:
        raise SettingsError(f"camera.controls.{name} must be from {low:g} to {high:g}, not {value!r}")
    number: float = float(value) if is_float else value
    return number


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_range(low: Any, high: Any) -> bool:
    return isinstance(low, (int, float)) and isinstance(high, (int, float)) and low < high


def find_longest_silence_s(controls: Mapping[str, Any]) -> float:
    """Return the seconds without a frame that controls explain: three times the longest time of one frame.

    Args:
        controls: Valid controls; FrameRate (frames/s), FrameDurationLimits and ExposureTime (µs) determine the time.
    """
    durations_s = [0.0]
    if rate := controls.get("FrameRate"):
        durations_s.append(1 / rate)
    durations_s += [limit_us / 1e6 for limit_us in controls.get("FrameDurationLimits", ())]
    durations_s.append(controls.get("ExposureTime", 0) / 1e6)
    return float(_TOLERATED_FRAMES * max(durations_s))
