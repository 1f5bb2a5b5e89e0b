"""Count frames and measure inference times."""

import threading
import time
from collections import deque
from collections.abc import Sequence


class Meter:
    """Count frames and keep the newest inference times. One thread may write; any thread may read.

    Attributes:
        frames: Number of frames labeled since the start.
    """

    def __init__(self, window: int = 600):
        """Start counting.

        Args:
            window: Number of inference times to keep.
        """
        self._lock = threading.Lock()
        self._times_ms: deque[float] = deque(maxlen=window)
        self._frames = 0
        self._since_s = time.monotonic()
        self.frames = 0

    def record_frame(self, inference_ms: float) -> None:
        """Count one labeled frame."""
        with self._lock:
            self._times_ms.append(inference_ms)
            self._frames += 1
            self.frames += 1

    def take_fps(self) -> float:
        """Return the frames per second since the last call."""
        now_s = time.monotonic()
        with self._lock:
            frames, elapsed_s = self._frames, now_s - self._since_s
            self._frames, self._since_s = 0, now_s
        return frames / elapsed_s if elapsed_s > 0 else 0.0

    @property
    def inference_times_ms(self) -> list[float]:
        """The newest inference times, in ascending order."""
        with self._lock:
            return sorted(self._times_ms)


def find_percentile(ordered: Sequence[float], percent: float) -> float | None:
    """Return the nearest-rank percentile of numbers in ascending order; None for an empty sequence."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else None
