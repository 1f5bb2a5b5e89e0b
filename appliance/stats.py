"""The figures of T/stats: how fast, how much, how warm."""

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

_THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")


class Meter:
    """Counts frames and keeps the newest invoke times; written by one thread, read by any.

    Attributes:
        frames: How many were labeled since the start.
    """

    def __init__(self, window: int = 600):
        self._lock = threading.Lock()
        self._times_ms: deque[float] = deque(maxlen=window)
        self._frames = 0
        self._since_s = time.monotonic()
        self.frames = 0

    def frame(self, inference_ms: float) -> None:
        """One frame was labeled."""
        with self._lock:
            self._times_ms.append(inference_ms)
            self._frames += 1
            self.frames += 1

    def take_fps(self) -> float:
        """Frames a second since the last call."""
        now_s = time.monotonic()
        with self._lock:
            frames, elapsed_s = self._frames, now_s - self._since_s
            self._frames, self._since_s = 0, now_s
        return frames / elapsed_s if elapsed_s > 0 else 0.0

    def inference_ms(self) -> list[float]:
        """The newest invoke times, least first."""
        with self._lock:
            return sorted(self._times_ms)


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """The nearest-rank percentile of ordered numbers; None of nothing."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else None


def rss_mb() -> float:
    """This process's resident memory in MB (1e6 bytes)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def cpu_temp_c() -> float | None:
    """The processor's temperature, or None where the machine does not tell it."""
    try:
        return round(int(_THERMAL.read_text(encoding="ascii")) / 1000, 1)
    except (OSError, ValueError):
        return None
