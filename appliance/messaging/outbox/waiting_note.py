"""Remember that events wait, so that a start that finds an empty outbox instead can say that they are lost.

An SD card may lose a file as a whole, for example when its file system is repaired. The note is written when events
have waited for a while, and again when none waits any more, so that a card wears little: twice for each outage.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.system.state_file import StateFile

log = logging.getLogger("appliance.mqtt")

FILE_NAME = "waiting.json"
AFTER_S = 30.0
"""Events that have waited for this long are noted."""


class WaitingNote:
    """The file waiting.json in the state folder; used by the main thread."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic):
        """Read the note of the last process.

        Args:
            folder: The state folder.
            clock: Returns monotonic time in seconds.
        """
        self._file = StateFile(
            folder / FILE_NAME, _decode, lambda count: {"waiting": count}, 0, mode=0o640,
            if_unreadable="a loss of waiting events may go unnoticed", log=log,
        )  # fmt: skip
        self._noted = self._file.read()
        self._clock = clock
        self._since_s: float | None = None

    def compare(self, outbox: Path, waiting: int) -> None:
        """Log a loss; called once at the start.

        Args:
            outbox: The outbox's file, for the log.
            waiting: How many events wait in it.
        """
        if self._noted and not waiting:
            log.error(
                "the outbox %s is empty, but %d events were waiting in it when the last process noted that; they are"
                " lost; check the SD card, and whether the state folder was restored or replaced",
                outbox,
                self._noted,
            )

    def update(self, waiting: int) -> None:
        """Note that events wait, if they have waited for a while, or that none waits; called about every second."""
        now_s = self._clock()
        if not waiting:
            self._since_s = None
            if self._noted:
                self._write(0)
        elif self._since_s is None:
            self._since_s = now_s
        elif not self._noted and now_s - self._since_s >= AFTER_S:
            self._write(waiting)

    def finish(self, waiting: int) -> None:
        """Note how many events wait at an orderly stop."""
        if waiting != self._noted:
            self._write(waiting)

    def _write(self, waiting: int) -> None:
        self._noted = waiting
        try:
            self._file.write(waiting)
        except OSError as error:
            log.debug("%s cannot be written: %s", self._file.path, error)


def _decode(data: Any) -> int:
    waiting = data["waiting"]
    if isinstance(waiting, bool) or not isinstance(waiting, int) or waiting < 0:
        raise ValueError("waiting is not a number of events")
    return waiting
