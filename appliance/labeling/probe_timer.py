"""Measure how much time a child process had, so that a device that was suspended or busy rejects no good model."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

POLL_S = 0.25
HELD_UP_FACTOR = 20.0
"""A process that is held up may take this many times its limit."""

# Between two polls, more than this is time in which this process was suspended too.
_LONGEST_GAP_S = 2 * POLL_S
_BUSY_FACTOR = 1.5
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ProbeTimer:
    """The time that counts against the limit of a child process.

    Time counts in full while the process waits for itself (a deadlock, a sleep); as processor time, but at least two
    thirds, while it runs or is ready to run; and not at all while it is stopped or waits for the disk, or while this
    process was suspended as well.

    Attributes:
        used_s: The seconds that count.
    """

    def __init__(self, pid: int, limit_s: float, clock: Callable[[], float] = time.monotonic):
        """Begin to measure.

        Args:
            pid: The process.
            limit_s: Its limit in seconds.
            clock: Returns monotonic time in seconds.
        """
        self.used_s = 0.0
        self._stat = Path(f"/proc/{pid}/stat")
        self._limit_s = limit_s
        self._clock = clock
        self._begin_s = self._last_s = clock()
        self._cpu_s = 0.0

    @property
    def is_held_up(self) -> bool:
        """Whether the process took many times its limit without using it."""
        return self.used_s < self._limit_s and self._last_s - self._begin_s > self._limit_s * HELD_UP_FACTOR

    def update(self) -> None:
        """Count the time since the last call."""
        now_s = self._clock()
        gap_s, self._last_s = min(now_s - self._last_s, _LONGEST_GAP_S), now_s
        state, cpu_s = self._read()
        ran_s, self._cpu_s = cpu_s - self._cpu_s, cpu_s
        if state in ("T", "t", "D"):
            self.used_s += ran_s
        elif state == "R":
            self.used_s += max(ran_s, gap_s / _BUSY_FACTOR)
        else:
            self.used_s += max(gap_s, ran_s)

    def _read(self) -> tuple[str, float]:
        """Return the state of the process (proc_pid_stat(5)) and its processor time in seconds."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = self._stat.read_text().rpartition(")")[2].split()
            return fields[0], (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
        return "S", self._cpu_s
