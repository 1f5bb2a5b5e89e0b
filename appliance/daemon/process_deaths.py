"""Record that the active model ended the process: by a call that did not return, or by a crash of native code.

A model may do that long after its probation, on certain frames only. Two such deaths within an hour during one boot
count against the model. A kill from outside, a power cut or an orderly stop leaves no record.

A hang is recorded before the process ends itself. A crash is found at the next start: Python's faulthandler writes the
stack of the thread that crashed to a file, and the model is at fault if that thread was in its invoke().
"""

import contextlib
import faulthandler
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import describe_os_error
from appliance.labeling import interpreter
from appliance.system.foreign_text import clean_text
from appliance.system.regular_files import read_regular_file
from appliance.system.state_file import StateFile

log = logging.getLogger("appliance.daemon")

FILE_NAME = "model-deaths.json"
CRASH_NAME = "crash.txt"
MAX_DEATHS = 2
WITHIN_S = 3600.0
_MAX_CRASH_BYTES = 20_000
_MAX_LINE = 200
_MAX_LINES = 40
# Without blocking, because anything could be in the file's place.
_CRASH_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Death:
    """One death of the process.

    Attributes:
        key: The key of the bundle that was active (bundle.key.bundle_key).
        boot: The kernel's boot id.
        time_s: Monotonic time.
        reason: A sentence for people.
    """

    key: str
    boot: str
    time_s: float
    reason: str


class ProcessDeaths:
    """The deaths of the last hour; used by the main thread."""

    def __init__(self, state: Path, boot: str, clock: Callable[[], float] = time.monotonic):
        """Describe the files; nothing is read yet.

        Args:
            state: The state folder.
            boot: The kernel's boot id, because monotonic times of different boots cannot be compared.
            clock: Returns monotonic time in seconds.
        """
        self._file: StateFile[tuple[Death, ...]] = StateFile(
            state / FILE_NAME, _decode, _encode, (), mode=0o640, if_unreadable="earlier deaths do not count", log=log
        )
        self._crash_path = state / CRASH_NAME
        self._boot = boot
        self._clock = clock

    def find_fault(self, key: str) -> str | None:
        """Return why this model must not be loaded again; None if it may be."""
        deaths = [death for death in self._read_recent() if death.key == key]
        if len(deaths) < MAX_DEATHS:
            return None
        return f"it ended the process {len(deaths)} times within an hour: {deaths[-1].reason}"

    def record(self, key: str, reason: str) -> None:
        """Record a death before or after it happens.

        Args:
            key: The key of the active bundle.
            reason: A sentence for people.
        """
        deaths = (*self._read_recent(), Death(key, self._boot, self._clock(), clean_text(reason, _MAX_LINE)))
        self._file.write_or_warn(deaths[-MAX_DEATHS:], "this death does not count against the model")

    def forget(self) -> None:
        """Forget all deaths, because the model was rolled back."""
        self._file.write_or_warn((), "earlier deaths still count")

    def take_crash(self) -> str | None:
        """Log and remove the record of a crash of the last process; return a reason if the model caused it."""
        try:
            text = read_regular_file(self._crash_path)[:_MAX_CRASH_BYTES].decode("utf-8", "replace")
        except OSError:
            return None
        with contextlib.suppress(OSError):
            self._crash_path.unlink()
        if not text.strip():
            return None
        lines = [clean_text(line, _MAX_LINE) for line in text.splitlines() if line.strip()]
        log.error("a crash or the watchdog ended the last process; its stack follows")
        for line in lines[:_MAX_LINES]:
            log.error("crash: %s", line)
        in_model = any(interpreter.__file__ in line and line.endswith("in invoke") for line in _current_stack(text))
        return f"it crashed the process ({lines[0]})" if in_model else None

    def watch_crashes(self) -> None:
        """Make a crash write its stack to the file that `take_crash` reads; without that file, to standard error."""
        try:
            descriptor = os.open(self._crash_path, _CRASH_FLAGS, 0o640)
        except OSError as error:
            reason = describe_os_error(error)
            log.warning("%s cannot be written (%s); a crash does not count against the model", self._crash_path, reason)
            return
        faulthandler.enable(descriptor)  # stays open for the life of the process

    def _read_recent(self) -> tuple[Death, ...]:
        now_s = self._clock()
        return tuple(
            death for death in self._file.read() if death.boot == self._boot and 0 <= now_s - death.time_s <= WITHIN_S
        )


def _current_stack(text: str) -> list[str]:
    """Return the lines of the thread that crashed."""
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith("Current thread")), None)
    if start is None:
        return []
    stack = []
    for line in lines[start + 1 :]:
        if not line.startswith("  File"):
            break
        stack.append(line)
    return stack


def _encode(deaths: tuple[Death, ...]) -> Any:
    return [{"key": each.key, "boot": each.boot, "time_s": each.time_s, "reason": each.reason} for each in deaths]


def _decode(data: Any) -> tuple[Death, ...]:
    deaths = tuple(Death(each["key"], each["boot"], float(each["time_s"]), each["reason"]) for each in data)
    if not all(isinstance(text, str) for each in deaths for text in (each.key, each.boot, each.reason)):
        raise ValueError("a text is missing")
    return deaths
