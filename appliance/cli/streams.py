"""Standard output and standard error that accept any text, wherever they go.

A terminal or file with another encoding than UTF-8, a closed or full output, and control characters in the name of a
file or a model must neither end a command with a traceback nor control the terminal.
"""

import codecs
import contextlib
import io
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from typing import TextIO

from appliance.errors import OutputError, describe_os_error
from appliance.system.foreign_text import clean_output

_ERRORS = "appliance-plain"  # the name of the error handler of the codecs
# What the program's own texts contain beyond ASCII.
_PLAIN = {
    "→": "->",
    "×": "x",
    "…": "...",
    "–": "-",
    "—": "-",
    "−": "-",
    "≤": "<=",
    "≥": ">=",
    "·": ".",
    "█": "#",
    "░": ".",
    "│": "|",
}


class SafeStream(io.TextIOWrapper):
    """Standard output or standard error: cleans what is written.

    Attributes:
        is_lossy: Whether text that cannot be written is dropped; otherwise OutputError is raised.
    """

    is_lossy = False

    def write(self, text: str, /) -> int:
        """Write text without its control characters.

        Raises:
            OutputError: The stream is full, closed, or fails.
        """
        self.write_controls(clean_output(text))
        return len(text)

    def write_controls(self, text: str) -> None:
        """Write the program's own text, which may control the terminal.

        Raises:
            OutputError: The stream is full, closed, or fails.
        """
        with self._translate_errors():
            super().write(text)

    def write_bytes(self, content: bytes) -> None:
        """Write bytes as they are.

        Raises:
            OutputError: The stream is full, closed, or fails.
        """
        with self._translate_errors():
            super().flush()
            self.buffer.write(content)

    def flush(self) -> None:
        """Write what is buffered.

        Raises:
            OutputError: The stream is full, closed, or fails.
        """
        with self._translate_errors():
            super().flush()

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            if self.is_lossy:
                return
            if isinstance(error, BrokenPipeError):
                raise
            reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
            raise OutputError(
                f"standard output cannot be written: {reason}; free space on its disk, or redirect it to another place"
            ) from error


def run_with_safe_streams(run: Callable[[], int]) -> int:
    """Run a command with safe standard streams, and write everything at the end; return the exit status.

    Args:
        run: Runs the command; may raise SystemExit.
    """
    _open_missing_descriptors()
    codecs.register_error(_ERRORS, _replace_unencodable)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _make_safe(sys.stdout, 1), _make_safe(sys.stderr, 2)
    if isinstance(sys.stderr, SafeStream):
        sys.stderr.is_lossy = True  # a log that cannot be written must not end the daemon
    try:
        try:
            return run()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of standard output has exited (`| head`)
        return 1
    except OutputError as error:
        print(f"appliance: {error}", file=sys.stderr, flush=True)
        return 1
    finally:
        _discard_rest()
        _restore(before)


def write_controls(stream: TextIO, text: str) -> None:
    """Write text that controls the terminal, such as a progress line, and flush it."""
    if isinstance(stream, SafeStream):
        stream.write_controls(text)
    else:
        stream.write(text)
    stream.flush()


def write_bytes(stream: TextIO, content: bytes) -> None:
    """Write bytes to a standard stream; one without bytes (in a test) gets them as UTF-8 text."""
    if isinstance(stream, SafeStream):
        stream.write_bytes(content)
    elif isinstance(stream, io.TextIOWrapper):
        stream.flush()
        stream.buffer.write(content)
    else:
        stream.write(content.decode())


def _make_safe(stream: TextIO | None, descriptor: int) -> TextIO:
    """Return the safe stream in place of a standard stream, which is None if it was closed at the start."""
    if stream is None:
        raw = io.FileIO(descriptor, "w", closefd=False)
        return SafeStream(io.BufferedWriter(raw), encoding="utf-8", errors=_ERRORS, line_buffering=True)
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    return SafeStream(stream.buffer, encoding=stream.encoding, errors=_ERRORS, line_buffering=stream.line_buffering)


def _open_missing_descriptors() -> None:
    """Open /dev/null for standard descriptors that are closed, so that no database or socket gets their number.

    Standard output gets it for reading only: a command that prints must fail, as usual, instead of printing to nowhere.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if descriptor < 2 else os.O_WRONLY)


def _discard_rest() -> None:
    """Let what could not be written go to /dev/null, because Python writes it again at its exit, with status 120."""
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            if isinstance(stream, SafeStream):
                io.TextIOWrapper.flush(stream)  # not its own, which fails silently if the stream is lossy
            else:
                stream.flush()
        except (OSError, ValueError, OutputError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, descriptor)
            os.close(null)


def _restore(streams: tuple[TextIO, TextIO]) -> None:
    """Restore the standard streams; the safe ones give up their buffers, which they would close with themselves."""
    safe = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = streams
    for stream in safe:
        if isinstance(stream, SafeStream):
            stream.detach()


def _replace_unencodable(error: UnicodeError) -> tuple[str, int]:
    """Return ASCII text for characters that the output's encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_PLAIN.get(each) or _reduce_to_ascii(each) for each in characters), error.end


def _reduce_to_ascii(character: str) -> str:
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"
