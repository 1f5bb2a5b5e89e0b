"""Tests camera.controls against what a Pi's camera offers, before libcamera sees them.

libcamera takes names and numbers on trust: a single number where it expects two ends the whole process (an
assertion in native code; seen with libcamera 0.7.2 and FrameDurationLimits = 5). So every name, type, count and
bound is looked at here, and a wrong one gets a sentence.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance.errors import SettingsError

_NUMBERS = {"Byte": 1, "Integer32": 1, "Integer64": 1, "Float": 1, "Point": 2, "Size": 2, "Rectangle": 4}


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """What a control takes.

    Attributes:
        type: libcamera's name for it: Bool, Byte, Integer32, Integer64, Float, String, Rectangle, Size, Point.
        count: How many of them; 0: one that is no list, -1: a list of any length.
        low: The bounds, for numbers, where there are any: one for each element of the list or for all.
        high: As low.
    """

    type: str
    count: int = 0
    low: Any = None
    high: Any = None


def check_controls(controls: Mapping[str, Any], kinds: Mapping[str, ControlSpec]) -> dict[str, Any]:
    """The controls as libcamera takes them.

    Args:
        controls: Name → value, as the settings file has them.
        kinds: What this camera offers.

    Raises:
        SettingsError: A control that this camera does not have, or a value that it does not take.
    """
    return {name: _checked(name, value, _kind(name, kinds)) for name, value in controls.items()}


def _kind(name: str, kinds: Mapping[str, ControlSpec]) -> ControlSpec:
    if name in kinds:
        return kinds[name]
    lowered = {known.lower(): known for known in kinds}
    near = [lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, n=3)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(sorted(kinds)) or 'none'}"
    raise SettingsError(f"camera.controls.{name}: this camera has no such control; {hint}")


def _checked(name: str, value: Any, kind: ControlSpec) -> Any:
    if kind.count == 0:
        return _element(name, value, kind, kind.low, kind.high)
    if not isinstance(value, (list, tuple)) or not value or (kind.count > 0 and len(value) != kind.count):
        count = str(kind.count) if kind.count > 0 else "one or more"
        raise SettingsError(f"camera.controls.{name} must be a list of {count}, and is {value!r}")
    return tuple(
        _element(name, each, kind, _at(kind.low, place, len(value)), _at(kind.high, place, len(value)))
        for place, each in enumerate(value)
    )


def _at(bound: Any, place: int, count: int) -> Any:
    return bound[place] if isinstance(bound, (list, tuple)) and len(bound) == count else bound


def _element(name: str, value: Any, kind: ControlSpec, low: Any, high: Any) -> Any:
    numbers = _NUMBERS.get(kind.type)
    if kind.type in ("Bool", "String"):
        python, words = (bool, "true or false") if kind.type == "Bool" else (str, "a text")
        if not isinstance(value, python):
            raise SettingsError(f"camera.controls.{name} must be {words}, and is {value!r}")
        return value
    if numbers is None:
        raise SettingsError(f"camera.controls.{name} cannot be set from a file (it takes a {kind.type})")
    if numbers > 1:
        if not isinstance(value, (list, tuple)) or len(value) != numbers or not all(_is_whole(each) for each in value):
            raise SettingsError(f"camera.controls.{name} must be {numbers} whole numbers, and is {value!r}")
        return tuple(value)
    if kind.type == "Float" and not (_is_whole(value) or isinstance(value, float)):
        raise SettingsError(f"camera.controls.{name} must be a number, and is {value!r}")
    if kind.type != "Float" and not _is_whole(value):
        raise SettingsError(f"camera.controls.{name} must be a whole number, and is {value!r}")
    # 0 has a meaning of its own for picamera2 in some controls: back to automatic.
    if value and _bounded(low, high) and not low <= value <= high:
        raise SettingsError(f"camera.controls.{name} must be from {low:g} to {high:g}, and is {value!r}")
    return float(value) if kind.type == "Float" else value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bounded(low: Any, high: Any) -> bool:
    return isinstance(low, (int, float)) and isinstance(high, (int, float)) and low < high
