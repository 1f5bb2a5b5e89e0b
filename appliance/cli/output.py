"""Print the results, messages and progress of commands."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TextIO

from appliance.cli.step_pace import StepPace
from appliance.cli.streams import write_bytes, write_controls
from appliance.system.foreign_text import clean_output, clean_text
from appliance.system.text_layout import CommandLine, lay_out
from appliance.system.text_width import cut_to_width, measure_width, read_columns

_MAX_MESSAGE = 8192
# JSON escapes the controls below U+0020 itself; these control a terminal too.
_OTHER_CONTROLS = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_CLEAR = "\r\033[K"
_REDRAW_EVERY_S = 0.1


def print_json(value: Any) -> None:
    """Print one JSON value on standard output, in UTF-8 whatever the locale, and without control characters."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    text = _OTHER_CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", _SURROGATES.sub("\ufffd", text))
    write_bytes(sys.stdout, text.encode() + b"\n")


def print_lines(lines: Iterable[str | CommandLine]) -> None:
    """Print lines on standard output; a line break inside of one, from the name of a file, becomes a space.

    On a terminal, lines are broken at words and between the cells of a table, and never inside of a command.
    """
    columns = read_columns(sys.stdout) if sys.stdout.isatty() else None
    for line in lines:
        cleaned = (
            CommandLine(_flatten(line.text), _flatten(line.command))
            if isinstance(line, CommandLine)
            else _flatten(line)
        )
        print("\n".join(lay_out(cleaned, columns) if columns else [str(cleaned)]))
    sys.stdout.flush()


def print_message(text: str) -> None:
    """Print a message for people on one line of standard error, prefixed with the program name."""
    print(f"appliance: {clean_text(text, _MAX_MESSAGE)}", file=sys.stderr, flush=True)


def _flatten(text: str) -> str:
    return clean_output(text).replace("\n", " ")


class ProgressLine:
    """Show progress on one line: stage, count and time left. Prints nothing unless the stream is a terminal.

    The stage is cut so that the line fits the terminal, because a line that wraps cannot be cleared. Use it as a
    context manager, which clears the line at the end.
    """

    def __init__(self, stream: TextIO | None = None):
        """Prepare the line.

        Args:
            stream: Where to show the line; None for standard error.
        """
        self._stream = sys.stderr if stream is None else stream
        self._is_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._pace = StepPace(_REDRAW_EVERY_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, stage: str, done: int, total: int) -> None:
        """Show the progress, at most every 0.1 s within one stage.

        Args:
            stage: The current stage of the work.
            done: Number of finished items.
            total: Total number of items; 0 if unknown.
        """
        if not self._is_terminal or not self._pace.is_due(stage, done, total):
            return
        count = f": {done} of {total}" if total else " …"
        left_s = self._pace.estimate_left_s(done, total)
        count += "" if left_s is None else f", {left_s:.0f} s left"
        # One column stays free, because a full row makes some terminals begin the next one.
        columns = read_columns(self._stream) - 1 - measure_width(count)
        write_controls(self._stream, f"{_CLEAR}{cut_to_width(clean_text(stage, _MAX_MESSAGE), max(columns, 1))}{count}")

    def make_counter(self, stage: str) -> Callable[[int, int], None]:
        """Return a function of (done, total) that shows the progress of one stage and clears the line at its end."""

        def count(done: int, total: int) -> None:
            self.show(stage, done, total)
            if done == total:
                self.clear()

        return count

    def clear(self) -> None:
        """Remove the line."""
        if self._is_terminal and self._pace.step:
            write_controls(self._stream, _CLEAR)
