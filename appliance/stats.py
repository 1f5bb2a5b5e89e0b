"""The figures of T/stats: how fast, how much, how warm."""

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

_THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")


class Meter:
    """Counts frames and keeps the newest invoke times; written by one thread, read by any."""

    def __init__(self, window: int = 600):
        self._lock = threading.Lock()
        self._inference_ms: deque[float] = deque(maxlen=window)
        self._frames = 0
        self._since_s = time.monotonic()
        self.errors = 0

    def frame(self, inference_ms: float) -> None:
        """One frame was labeled."""
        with self._lock:
            self._inference_ms.append(inference_ms)
            self._frames += 1

    def take(self) -> dict[str, object]:
        """Frames a second since the last call, and the p50 and p95 of the newest invoke times in ms (null: none yet)."""
        now_s = time.monotonic()
        with self._lock:
            times, frames = sorted(self._inference_ms), self._frames
            elapsed_s, self._frames, self._since_s = now_s - self._since_s, 0, now_s
        fps = round(frames / elapsed_s, 2) if elapsed_s > 0 else 0.0
        return {"fps": fps, "inference_ms": {"p50": percentile(times, 50), "p95": percentile(times, 95)}}


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """The nearest-rank percentile of ordered numbers, to a hundredth; None of nothing."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))], 2)


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
