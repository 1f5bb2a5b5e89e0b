"""Measure and cut text by the columns that it takes on a terminal."""

import os
import unicodedata
from typing import TextIO

from appliance.system.foreign_text import ELLIPSIS

DEFAULT_COLUMNS, DEFAULT_ROWS = 80, 24
# Smaller terminals exist, but text that is cut further states nothing.
_MIN_COLUMNS, _MIN_ROWS = 20, 5


def measure_width(text: str) -> int:
    """Return the number of columns of a text: 2 for wide characters (Unicode TR 11), 0 for combining ones."""
    return sum(_measure_character(character) for character in text)


def cut_to_width(text: str, columns: int) -> str:
    """Return the text, with the end replaced by "…" if it takes more columns than that."""
    if measure_width(text) <= columns:
        return text
    kept, width = [], 0
    for character in text:
        width += _measure_character(character)
        if width > columns - 1:
            break
        kept.append(character)
    return "".join(kept) + ELLIPSIS


def pad_to_width(text: str, columns: int) -> str:
    """Return the text with exactly that many columns: cut, or filled with spaces."""
    cut = cut_to_width(text, columns)
    return cut + " " * (columns - measure_width(cut))


def read_columns(stream: TextIO) -> int:
    """Return the width of the terminal that a stream writes to; 80 if it is unknown."""
    columns = _read_size(stream).columns
    return max(columns, _MIN_COLUMNS) if columns else DEFAULT_COLUMNS


def read_rows(stream: TextIO) -> int:
    """Return the height of the terminal that a stream writes to; 24 if it is unknown."""
    rows = _read_size(stream).lines
    return max(rows, _MIN_ROWS) if rows else DEFAULT_ROWS


def _read_size(stream: TextIO) -> os.terminal_size:
    try:
        return os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):  # no terminal, or a stream without a descriptor
        return os.terminal_size((0, 0))


def _measure_character(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
