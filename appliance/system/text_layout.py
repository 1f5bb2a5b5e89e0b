"""Lay out lines of text for the width of a terminal: at words and cells, and never inside of a command."""

import re
from dataclasses import dataclass

from appliance.system.text_width import measure_width

_GAP = re.compile(r"\s+")
# The first cell of a row, which two spaces or more separate from the next one.
_FIRST_CELL = re.compile(r"\s*\S+(?:\s\S+)*?\s{2,}")
_INDENT = 2
_MIN_COLUMNS = 10  # beside an indent


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A line that ends with a command, which is never broken, so that it can be copied.

    Attributes:
        text: What the command does, without a final space.
        command: The command.
    """

    text: str
    command: str

    def __str__(self) -> str:
        return f"{self.text} {self.command}"


def lay_out(line: str | CommandLine, columns: int) -> list[str]:
    """Return the lines that show a line on a terminal; a command gets a line of its own if there is too little space.

    Args:
        line: The line.
        columns: The width of the terminal.
    """
    if isinstance(line, str) or measure_width(str(line)) <= columns:
        return wrap_to_width(str(line), columns)
    return [*wrap_to_width(line.text, columns), " " * _INDENT + line.command]


def wrap_to_width(text: str, columns: int, indent: int | None = None) -> list[str]:
    """Return the text in lines of at most that many columns.

    Args:
        text: One line; two spaces or more separate the cells of a row, and are the preferred places to break it.
        columns: The width of the terminal.
        indent: The columns before all lines but the first. None is for the width of the first cell; then a single word
            that is too long, such as a path, exceeds the width, so that it can be copied.
    """
    lines, rest = [], text
    left = _find_indent(text, columns) if indent is None else min(indent, columns - _MIN_COLUMNS)
    while _count_fitting(rest, columns) < len(rest):
        gap = _find_break(rest, columns, left)
        if indent is not None and (gap is None or measure_width(rest[: gap.start()]) > columns):
            end = _count_fitting(rest, columns)
            lines.append(rest[:end])
            rest = " " * left + rest[end:]
        elif gap is None:
            break
        else:
            lines.append(rest[: gap.start()])
            rest = " " * left + rest[gap.end() :]
    return [*lines, rest]


def _find_indent(text: str, columns: int) -> int:
    """Return the width of the first cell, so that what continues is below the second; a small one if that is wide."""
    if (cell := _FIRST_CELL.match(text)) and measure_width(cell[0]) <= columns // 2:
        return measure_width(cell[0])
    return min(len(text) - len(text.lstrip()) + _INDENT, columns // 2)


def _count_fitting(text: str, columns: int) -> int:
    """Return how many characters fit."""
    width = 0
    for index, character in enumerate(text):
        width += measure_width(character)
        if width > columns:
            return index
    return len(text)


def _find_break(text: str, columns: int, indent: int) -> re.Match[str] | None:
    """Return the space at which to break a line: the last that fits, if possible one between cells; None if none is."""
    end = _count_fitting(text, columns)
    fitting: list[re.Match[str]] = []
    for gap in _GAP.finditer(text, len(text) - len(text.lstrip())):
        if gap.end() == len(text):
            break
        if gap.start() > end:
            if not fitting:
                return gap
            break
        fitting.append(gap)
    for gap in reversed(fitting):
        rest = text[gap.end() :]
        is_between_cells = len(gap[0]) > 1 and measure_width(text[: gap.end()]) > indent
        if is_between_cells and len(rest) <= columns and indent + measure_width(rest) <= columns:
            return gap
    return fitting[-1] if fitting else None
