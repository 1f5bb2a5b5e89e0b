"""A pseudo-terminal, and what a user sees on it: the rows after all control sequences were carried out."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b.|[\r\n]|[^\x1b\r\n]+", re.DOTALL)


@dataclass(frozen=True)
class TerminalRun:
    """A program that ran on a terminal.

    Attributes:
        status: Its exit status.
        raw: Everything that it wrote.
        rows: The rows of the screen at the end, without trailing spaces, including those that scrolled away.
        most_rows: The largest number of rows that were in use at once.
    """

    status: int
    raw: str
    rows: list[str]
    most_rows: int


def set_terminal_size(descriptor: int, columns: int, lines: int = 40) -> None:
    """Set the size of a terminal."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def run_on_terminal(
    command: Sequence[str],
    columns: int = 80,
    environ: Mapping[str, str] | None = None,
    limit_s: float = 60,
    interrupt_at: str = "",
) -> TerminalRun:
    """Run a program with standard output and standard error on a terminal.

    Args:
        command: The program and its arguments.
        columns: The width of the terminal.
        environ: Variables to add to the environment.
        limit_s: How long to wait for its end.
        interrupt_at: Send SIGINT, as Ctrl-C does, when the program has written this text; empty for never.
    """
    leader, follower = pty.openpty()
    set_terminal_size(follower, columns)
    env = {**os.environ, "TERM": "xterm", **(environ or {})}
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, env=env, start_new_session=True
    )
    os.close(follower)
    written, deadline_s = b"", time.monotonic() + limit_s
    try:
        while time.monotonic() < deadline_s:
            if not select.select([leader], [], [], 1)[0]:
                continue
            try:
                part = os.read(leader, 65536)
            except OSError:  # the program closed the terminal
                break
            if not part:
                break
            written += part
            if interrupt_at and interrupt_at.encode() in written:
                process.send_signal(signal.SIGINT)
                interrupt_at = ""
        status = process.wait(max(1.0, deadline_s - time.monotonic()))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        with contextlib.suppress(OSError):
            os.close(leader)
    raw = written.decode()
    rows, most = show_on_screen(raw, columns)
    return TerminalRun(status, raw, rows, most)


def show_on_screen(raw: str, columns: int) -> tuple[list[str], int]:
    """Return the rows that a terminal shows after these bytes, and the most rows that were not empty at any time."""
    screen = _Screen(columns)
    for match in _SEQUENCE.finditer(raw):
        screen.apply(match[0], match[1], match[2])
    return ["".join(line).rstrip() for line in screen.rows], screen.most


class _Screen:
    """The rows of a terminal.

    Understands line breaks at the right edge, carriage return, line feed, and the sequences that the program uses:
    move up, home, erase the line, erase below.
    """

    def __init__(self, columns: int):
        self.rows: list[list[str]] = [[]]
        self.most = 0
        self._columns = columns
        self._row = self._column = 0

    def apply(self, text: str, argument: str | None, action: str | None) -> None:
        """Carry out one control sequence, or write text."""
        if action:
            self._control(action, argument or "")
        elif text == "\r":
            self._column = 0
        elif text == "\n":
            self._break_line()
        elif not text.startswith("\x1b"):
            for character in text:
                self._write(character)
        self.most = max(self.most, sum(bool("".join(line).strip()) for line in self.rows))

    def _control(self, action: str, argument: str) -> None:
        if action in "KJ":
            del self.rows[self._row][self._column :]
        if action == "J":
            del self.rows[self._row + 1 :]
        if action == "A":
            self._row = max(0, self._row - int(argument or 1))
        if action == "H":
            self._row = self._column = 0

    def _write(self, character: str) -> None:
        if self._column == self._columns:
            self._break_line()
        line = self.rows[self._row]
        line += [" "] * (self._column + 1 - len(line))
        line[self._column] = character
        self._column += 1

    def _break_line(self) -> None:
        self._row, self._column = self._row + 1, 0
        self.rows += [[] for _ in range(self._row + 1 - len(self.rows))]
