"""Run another command of this program as a child process that can never disturb the labeling.

It has the lowest priority for the processor and the disk, and is the first that the kernel ends when memory runs out.
It gets a process group of its own, so that ending it also ends its helpers.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any

from appliance.errors import ControlError
from appliance.system.foreign_text import clean_text

PROGRAM = [sys.executable, "-m", "appliance"]
"""How this program is started again."""
_NICE = 19
_OOM_SCORE_ADJ = 1000
# ioprio_set(2): the class "idle" in the upper bits; 1 selects a process, 0 the caller.
_IDLE_PRIORITY, _WHO_PROCESS = 3 << 13, 1
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
# Libraries start a thread for each processor, and the allocator reserves memory for each thread.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
_TERM_LIMIT_S, _KILL_LIMIT_S = 2.0, 2.0
_MAX_OUTPUT_CHARACTERS = 16_000_000
_MAX_ERROR_LINES, _MAX_LINE = 50, 2000


class Child:
    """One command of this program. `wait` returns what it printed; `end` ends it from another thread."""

    def __init__(
        self,
        arguments: Sequence[str],
        on_line: Callable[[str], None] = lambda _: None,
        processors: Collection[int] | None = None,
    ):
        """Start the command.

        Args:
            arguments: The command and its arguments.
            on_line: Called with each line of its standard error, on a thread.
            processors: The processors that it may use; None for all.

        Raises:
            OSError: No process can be started.
        """
        self._on_line = on_line
        self._errors: list[str] = []
        self._process = subprocess.Popen(
            [*PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            env=os.environ | _ENVIRONMENT,
        )
        lower_priority(self._process.pid)
        if processors is not None:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(self._process.pid, processors)
        self._reader = threading.Thread(target=self._read_errors, name="child-errors", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def wait(self) -> tuple[int, str]:
        """Return (exit status, standard output) when the command has ended."""
        output = ""
        if self._process.stdout:
            output = self._process.stdout.read(_MAX_OUTPUT_CHARACTERS)
            self._process.stdout.close()
        status = self._process.wait()
        self._reader.join(_KILL_LIMIT_S)
        self._signal(signal.SIGKILL)  # helpers that outlived it
        return status, output

    def end(self) -> None:
        """End the command and its helpers; returns after at most 4 s."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(_TERM_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_KILL_LIMIT_S)

    def describe_failure(self, status: int) -> str:
        """Return why the command failed, in one sentence.

        Args:
            status: The exit status; negative for a signal.
        """
        if status == -signal.SIGKILL:
            return "it ran out of memory, and the system ended it; use fewer pictures, or train on a computer"
        if status < 0:
            return f"it was ended by the signal {signal.Signals(-status).name}; see the log of the device"
        texts = [line for line in self._errors if not line.startswith("{")]
        text = texts[-1].removeprefix("appliance: ").removeprefix("error: ") if texts else f"exit status {status}"
        return clean_text(text, _MAX_LINE)

    def _read_errors(self) -> None:
        if self._process.stderr is None:
            return
        with self._process.stderr as lines:
            for line in lines:
                if text := line.rstrip("\n")[:_MAX_LINE]:
                    self._errors = [*self._errors[-_MAX_ERROR_LINES:], text]
                    self._on_line(text)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def read_answer(child: Child) -> dict[str, Any]:
    """Wait for a command that prints a JSON object, and return it, whatever its exit status.

    Raises:
        ControlError: It failed without printing one, or printed why it failed.
    """
    status, output = child.wait()
    try:
        value = json.loads(output)
    except ValueError as error:
        raise ControlError(child.describe_failure(status)) from error
    if not isinstance(value, dict):
        raise ControlError(child.describe_failure(status))
    if status != 0 and set(value) == {"error"}:
        raise ControlError(clean_text(str(value["error"]), _MAX_LINE))
    return value


def run_command(arguments: Sequence[str], on_child: Callable[[Child], None] = lambda _: None) -> dict[str, Any]:
    """Run a command that prints a JSON object, and return it, whatever its exit status.

    Args:
        arguments: The command and its arguments.
        on_child: Called with the started child, which a stop of the program ends.

    Raises:
        ControlError: It failed without printing a value.
    """
    try:
        child = Child(arguments)
    except OSError as error:
        raise ControlError(f"no process can be started: {error.strerror}; see the log of the device") from error
    on_child(child)
    return read_answer(child)


def lower_priority(pid: int) -> None:
    """Give a process the lowest priority for processor and disk, and make it the first to end when memory runs out."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)
    if number := _IOPRIO_SET.get(os.uname().machine):
        ctypes.CDLL(None).syscall(number, _WHO_PROCESS, pid, _IDLE_PRIORITY)
    with contextlib.suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(str(_OOM_SCORE_ADJ))
