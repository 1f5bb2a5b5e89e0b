"""Count frames and inference times."""

import threading
import time
from collections import deque
from collections.abc import Sequence


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
