"""The time in which a new model must prove itself, as arithmetic: frames go in, a verdict comes out. Time is passed in.

Only time with frames counts: between two frames that follow each other as frames do. While the camera is absent or
labeling is off, no frames come, and so the probation stands still by itself. One error, or one score that is no number,
ends it; slowness ends it as soon as the share of slow frames can no longer become small enough.
"""

from dataclasses import dataclass

MIN_FRAMES = 20
# p95 is too high when more than this share of the frames is.
SLOW_SHARE = 0.05
# Frames further apart than this many frame times, and this many seconds, do not follow each other: there was a pause.
_GAP_FRAMES = 3.0
_GAP_S = 2.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What a new model must hold to.

    Attributes:
        duration_s: How long, counted in time with frames.
        limit_ms: What 95 of 100 frames may take at the most.
        frame_s: The time from one frame to the next, as the settings have it.
    """

    duration_s: float
    limit_ms: float
    frame_s: float


def terms(duration_s: float, fps: float, max_latency_ms: float | None, old_p95_ms: float | None) -> Terms:
    """The contract's terms: p95 within max_latency_ms, else within the larger of 3 × the old and 0.8 of a frame's time.

    Args:
        duration_s: The setting probation_s.
        fps: Frames a second, as the settings have it.
        max_latency_ms: The setting of that name, None where it is not given.
        old_p95_ms: Of the model before, None where it is not known.
    """
    limit_ms = max_latency_ms if max_latency_ms is not None else max(3 * (old_p95_ms or 0.0), 800 / fps)
    return Terms(duration_s, limit_ms, 1 / fps)


class Probation:
    """One probation. Called by one thread."""

    def __init__(self, terms: Terms):
        self.terms = terms
        self.frames = 0
        self.elapsed_s = 0.0
        self.failure: str | None = None
        self._slow = 0
        self._slowest_ms = 0.0
        self._last_s: float | None = None

    def frame(self, now_s: float, inference_ms: float, trouble: str | None) -> None:
        """A frame was labeled, or failed to be.

        Args:
            now_s: Monotonic time after it.
            inference_ms: What the model took.
            trouble: Why it could not be labeled, None where it was.
        """
        if self.failure:
            return
        if trouble:
            self.failure = f"it does not label: {trouble}"
            return
        taken_s = inference_ms / 1000
        if self._last_s is not None:
            gap_s = now_s - self._last_s
            # A model that is slow itself makes no pause.
            if gap_s <= max(_GAP_S, _GAP_FRAMES * self.terms.frame_s) + taken_s:
                self.elapsed_s += gap_s
        self._last_s = now_s
        self.frames += 1
        if inference_ms > self.terms.limit_ms:
            self._slow += 1
            self._slowest_ms = max(self._slowest_ms, inference_ms)
        if self._is_too_slow():
            self.failure = (
                f"it is too slow: {self._slow} of {self.frames} frames took more than {self.terms.limit_ms:.0f} ms, "
                f"up to {self._slowest_ms:.0f} ms"
            )

    @property
    def passed(self) -> bool:
        """Whether it has proved itself."""
        return not self.failure and self.frames >= MIN_FRAMES and self.elapsed_s >= self.terms.duration_s

    def _is_too_slow(self) -> bool:
        """Whether p95 will be above the limit, however fast all frames to come are."""
        if self.frames < MIN_FRAMES:
            return False
        over = self.elapsed_s >= self.terms.duration_s
        to_come = 0.0 if over else (self.terms.duration_s - self.elapsed_s) / self._spacing_s()
        return self._slow > SLOW_SHARE * (self.frames + to_come)

    def _spacing_s(self) -> float:
        """The time from frame to frame as it is: cameras give fewer frames than they are asked for, never more."""
        return max(self.terms.frame_s, self.elapsed_s / (self.frames - 1)) if self.frames > 1 else self.terms.frame_s
