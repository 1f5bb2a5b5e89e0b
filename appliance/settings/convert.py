"""Convert TOML values and the text of environment variables to the types of the settings."""

import re
import tomllib
import types
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

# TOML's whole numbers have 64 bits; tomllib accepts any.
_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1
# Lone surrogates stand for bytes of a variable that are not UTF-8.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# One item of a list; not a list or table that was meant and is not valid TOML.
_SINGLE = re.compile(r"[^\[{].{0,199}", re.DOTALL)
_TYPE_NAMES: dict[type, str] = {
    str: "a string in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path in quotes",
}


def convert_value(hint: Any, value: Any) -> Any:
    """Convert a TOML value to the type of its setting.

    Args:
        hint: The setting's annotation.
        value: The value in the TOML file.

    Raises:
        ValueError: The value has the wrong type; the text is the right one, for example "a whole number".
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        parts = [part for part in arguments if part is not type(None)]
        # A word may be given in place of a value of another type: "square" in place of a list of numbers.
        words = [part for part in parts if get_origin(part) is Literal]
        return convert_value(words[0] if words and isinstance(value, str) else parts[0], value)
    if origin is Literal:
        return _convert_choice(arguments, value)
    if origin is dict:
        return _convert_table(arguments[1], value)
    if origin is tuple:
        return _convert_list(arguments, value)
    return value if hint is Any else _convert_scalar(hint, value)


def parse_variable(text: str, hint: Any) -> Any:
    """Return the TOML value that the text of an environment variable represents.

    For a string or a path, the text is used unchanged.

    Args:
        text: The variable's value.
        hint: The setting's annotation; None if there is no such setting.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    choices = {type(choice) for choice in arguments} if origin is Literal else set()
    alternatives = arguments if origin in (Union, types.UnionType) else (hint,)
    if {str, Path} & {*choices, *alternatives}:
        return text
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # not TOML, thousands of digits, or thousands of brackets
        return text
    return table["value"] if len(table) == 1 else text


def _convert_choice(choices: tuple[Any, ...], value: Any) -> Any:
    if value in choices and type(value) in {type(choice) for choice in choices}:
        return value
    raise ValueError("one of " + ", ".join(repr(choice) for choice in choices))


def _convert_table(hint: Any, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {key: convert_value(hint, item) for key, item in value.items()}
    raise ValueError("a table of name = value")


def _convert_list(hints: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    is_open = hints[-1] is Ellipsis
    if is_open and isinstance(value, str) and _SINGLE.fullmatch(value):  # a single one needs no brackets
        value = [value]
    if isinstance(value, list):
        item_hints = [hints[0]] * len(value) if is_open else hints
        if len(value) == len(item_hints):
            return tuple(convert_value(hint, item) for hint, item in zip(item_hints, value, strict=True))
    raise ValueError("a list of strings" if is_open else f"a list of {len(hints)} numbers")


def _convert_scalar(kind: type, value: Any) -> Any:
    if isinstance(value, str) and kind in (str, Path) and (control := _CONTROLS.search(value)):
        raise ValueError(f"{_TYPE_NAMES[kind]} without control characters such as {control[0]!r}")
    if type(value) is int and not _MIN_INT <= value <= _MAX_INT:
        raise ValueError(f"{_TYPE_NAMES[kind]} of at most 18 digits" if kind in (int, float) else _TYPE_NAMES[kind])
    if kind is float and type(value) is int:
        return float(value)
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    is_bool_for_int = kind is int and isinstance(value, bool)
    if isinstance(value, kind) and not is_bool_for_int and not (isinstance(value, float) and not isfinite(value)):
        return value
    raise ValueError(_TYPE_NAMES[kind])
