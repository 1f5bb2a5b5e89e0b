"""Parse JSON that may be damaged: every value that is returned can be encoded again, and every fault is a ValueError.

The standard parser also accepts what cannot be written again or used safely: lone surrogates, NaN and infinite numbers,
and nesting that exceeds the recursion limit of the code that reads the value.
"""

import json
import re
from typing import Any, NoReturn

MAX_DEPTH = 64
"""The deepest nesting; what the program writes has at most 5 levels."""

# What a value with a surrogate or an infinite number contains. A text without it needs no closer look.
_SUSPICIOUS = re.compile(r"\\u[dD]|\d[eE]\+?\d{3}|\d{300}|[\ud800-\udfff]")


def parse_json(content: bytes | str) -> Any:
    """Parse one JSON value.

    Args:
        content: UTF-8, or text.

    Raises:
        ValueError: The content is not JSON, or contains a lone surrogate, a number that is not finite, or more than
            MAX_DEPTH levels.
    """
    text = content.decode("utf-8") if isinstance(content, bytes) else content
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if text.count("[") + text.count("{") > MAX_DEPTH or _SUSPICIOUS.search(text):
        _check_value(value)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _check_value(value: Any) -> None:
    """Check depth, texts and numbers without recursion.

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
                item.encode()  # raises a UnicodeEncodeError, which is a ValueError
            elif isinstance(item, float) and item - item != 0:
                raise ValueError("a number is not finite")
        level = parts
