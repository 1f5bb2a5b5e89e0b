"""Parse JSON that may be damaged: every value that is returned can be encoded again, and every fault is a ValueError.

The standard parser also accepts what cannot be written again or used safely: lone surrogates, NaN and infinite numbers,
and nesting that exceeds the recursion limit of the code that reads the value.
"""

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 64
"""The deepest nesting; what the program writes has at most 5 levels."""


_MAX_DIGITS = 20  # of 64 bits, with a sign


def parse_json(content: bytes | str) -> Any:
    """Parse one JSON value.

    Args:
        content: UTF-8, or text.

    Raises:
        ValueError: The content is not JSON, or contains a lone surrogate, a number that is not finite or has more
            than 64 bits, or more than MAX_DEPTH levels.
    """
    text = content.decode("utf-8") if isinstance(content, bytes) else content
    if not isinstance(content, bytes) and not text.isascii():
        text.encode()  # raises a UnicodeEncodeError, which is a ValueError, for a lone surrogate
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    # Without an escape there is no surrogate, and with few brackets no deep nesting.
    if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
        _check_value(value)
    return value


def _parse_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is not finite")
    return number


def _parse_int(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError("a number has too many digits")
    return int(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


_DECODER = json.JSONDecoder(parse_float=_parse_float, parse_int=_parse_int, parse_constant=_refuse_constant)


def _check_value(value: Any) -> None:
    """Check depth and texts without recursion.

    Raises:
        ValueError: The value is nested too deeply, or cannot be encoded.
    """
    level, depth = [value], 0
    while level:
        if depth >= MAX_DEPTH and any(isinstance(item, dict | list) for item in level):
            raise ValueError("it is nested too deeply")
        depth += 1
        parts: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                parts += [*item.keys(), *item.values()]
            elif isinstance(item, list):
                parts += item
            elif isinstance(item, str):
                item.encode()  # as above
        level = parts
