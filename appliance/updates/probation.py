"""Evaluate the probation of a new model from the timing of its frames. Callers pass the time.

Only the time between frames that follow each other normally counts. While no frames arrive, because the camera is
absent or labeling is off, the probation makes no progress. A single error, or a score that is not a number, fails the
model; slowness fails it as soon as the share of slow frames can no longer become small enough.
"""

from dataclasses import dataclass

MIN_FRAMES = 20
# The 95th percentile exceeds the limit if more than this share of the frames does.
SLOW_SHARE = 0.05
# A gap longer than both this many frame intervals and this many seconds is a pause, which does not count.
_GAP_FRAMES = 3.0
_GAP_S = 2.0


@dataclass(frozen=True, slots=True)
class Terms:
    """The conditions of a probation.

    Attributes:
        duration_s: Its duration in seconds with frames.
        limit_ms: The upper limit of the 95th percentile of the time per frame.
        frame_s: The interval between frames according to the settings.
    """

    duration_s: float
    limit_ms: float
    frame_s: float


@dataclass(frozen=True, slots=True)
class FrameTiming:
    """The labeling of one frame.

    Attributes:
        time_s: Monotonic time after the frame was labeled.
        inference_ms: The model's time for the frame.
        error: Why the frame could not be labeled; None if it was.
    """

    time_s: float
    inference_ms: float
    error: str | None = None


def compute_terms(duration_s: float, fps: float, max_latency_ms: float | None, old_p95_ms: float | None) -> Terms:
    """Return the terms: p95 within max_latency_ms, else within the larger of 3 × the old p95 and 0.8 frame intervals.

    Args:
        duration_s: The setting update.probation_s.
        fps: Frames per second according to the settings.
        max_latency_ms: The setting update.max_latency_ms; None if it is not set.
        old_p95_ms: The 95th percentile of the previous model; None if unknown.
    """
    limit_ms = max_latency_ms if max_latency_ms is not None else max(3 * (old_p95_ms or 0.0), 800 / fps)
    return Terms(duration_s, limit_ms, 1 / fps)


class Probation:
    """One probation. Not thread-safe."""

    def __init__(self, terms: Terms):
        """Start a probation with no frames."""
        self.terms = terms
        self.frames = 0
        self.elapsed_s = 0.0
        self.failure: str | None = None
        self._slow = 0
        self._slowest_ms = 0.0
        self._last_s: float | None = None

    def record_frame(self, timing: FrameTiming) -> None:
        """Add a frame that was labeled, or that could not be labeled."""
        if self.failure:
            return
        if timing.error:
            self.failure = f"it cannot label frames: {timing.error}"
            return
        if self._last_s is not None:
            gap_s = timing.time_s - self._last_s
            # A gap caused by a slow model is not a pause.
            if gap_s <= max(_GAP_S, _GAP_FRAMES * self.terms.frame_s) + timing.inference_ms / 1000:
                self.elapsed_s += gap_s
        self._last_s = timing.time_s
        self.frames += 1
        if timing.inference_ms > self.terms.limit_ms:
            self._slow += 1
            self._slowest_ms = max(self._slowest_ms, timing.inference_ms)
        if self._is_too_slow():
            self.failure = (
                f"it is too slow: {self._slow} of {self.frames} frames took more than {self.terms.limit_ms:.0f} ms, "
                f"up to {self._slowest_ms:.0f} ms"
            )

    @property
    def passed(self) -> bool:
        """Whether the model passed."""
        return not self.failure and self.frames >= MIN_FRAMES and self.elapsed_s >= self.terms.duration_s

    def _is_too_slow(self) -> bool:
        """Return whether p95 will exceed the limit no matter how fast all further frames are."""
        if self.frames < MIN_FRAMES:
            return False
        is_over = self.elapsed_s >= self.terms.duration_s
        further_frames = 0.0 if is_over else (self.terms.duration_s - self.elapsed_s) / self._spacing_s()
        return self._slow > SLOW_SHARE * (self.frames + further_frames)

    def _spacing_s(self) -> float:
        """Return the measured interval between frames: cameras deliver fewer frames than requested, never more."""
        return max(self.terms.frame_s, self.elapsed_s / (self.frames - 1)) if self.frames > 1 else self.terms.frame_s
