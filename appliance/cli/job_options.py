"""The options of a long command that another program runs: progress that a program can read, and a limit on memory."""

import argparse
import json
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from appliance.cli.arguments import parse_whole_number
from appliance.cli.output import ProgressLine
from appliance.cli.step_pace import StepPace
from appliance.errors import ApplianceError
from appliance.system.foreign_text import clean_text

_EVERY_S = 0.5
_MAX_STEP = 100
_STATUS = Path("/proc/self/status")


class JsonProgress:
    """Write progress to standard error as lines of JSON: {"step", "done", "total", "left_s"}; a context manager."""

    def __init__(self, stream: TextIO | None = None):
        """Write nothing yet.

        Args:
            stream: Where to write; None for standard error.
        """
        self._stream = sys.stderr if stream is None else stream
        self._pace = StepPace(_EVERY_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def show(self, stage: str, done: int, total: int) -> None:
        """Write a line, at most one every 0.5 s within one step.

        Args:
            stage: The current step of the work.
            done: Number of finished items.
            total: Total number of items; 0 if unknown.
        """
        if not self._pace.is_due(stage, done, total):
            return
        left_s = self._pace.estimate_left_s(done, total)
        value = {
            "step": clean_text(stage, _MAX_STEP),
            "done": done,
            "total": total,
            "left_s": None if left_s is None else round(left_s, 1),
        }
        print(json.dumps(value, ensure_ascii=False), file=self._stream, flush=True)


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --progress and --memory."""
    parser.add_argument(
        "--progress",
        choices=("line", "json"),
        default="line",
        help='how to show the progress on standard error: one line on a terminal (default), or {"step", "done", '
        '"total", "left_s"} per line',
    )
    parser.add_argument(
        "--memory", type=_parse_memory_mb, metavar="MB", help="end with an error rather than use more memory than this"
    )


def open_progress(arguments: argparse.Namespace) -> ProgressLine | JsonProgress:
    """Return what shows the progress, a context manager with `show(stage, done, total)`."""
    return JsonProgress() if arguments.progress == "json" else ProgressLine()


@contextmanager
def limit_memory(arguments: argparse.Namespace, status: Path = _STATUS) -> Iterator[None]:
    """Keep to --memory in the block; call it when the libraries are loaded, which do not count.

    Raises:
        ApplianceError: The block needed more.
    """
    if arguments.memory is None:
        yield
        return
    match = re.search(r"^VmSize:\s+(\d+) kB", status.read_text(encoding="ascii"), re.MULTILINE)
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = (int(match[1]) * 1024 if match else 0) + arguments.memory * 1_000_000
    hard = before[1]
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    try:
        yield
    except MemoryError as error:
        raise ApplianceError(
            f"{arguments.memory} MB of memory (--memory) are not enough; use fewer pictures, or another computer"
        ) from error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _parse_memory_mb(text: str) -> int:
    return parse_whole_number(text, 10, 10_000_000, "a number of megabytes, at least 10")
