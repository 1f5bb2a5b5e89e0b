"""Judge at any time, also after its probation, whether the active model labels the frames.

A model fails if it cannot label `IN_A_ROW` frames in a row, or half of the frames for a minute. Callers pass no time;
the clock is monotonic. Labeling is called failing earlier, when half of the frames fail or none could be labeled for
some seconds, and until most frames of a minute are labeled again.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from appliance.daemon.engine import Engine
from appliance.daemon.frame_supply import NO_LABELS
from appliance.daemon.results import FrameResult, ResultListener
from appliance.labeling.labeler import Labeler
from appliance.messaging.device_payloads import LabelingState

IN_A_ROW = 20
WINDOW_S = 60.0
_FAILING_SHARE = 0.5
_HEALTHY_SHARE = 0.25
# With fewer frames in a minute, a single failure could be half of them.
_MIN_FRAMES = 6
_MAX_FRAMES = 10_000


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The health of labeling.

    Attributes:
        state: Whether frames are labeled.
        errors: The number of frames since the program started that could not be labeled.
        reason: The newest reason; None if the state is ok.
    """

    state: LabelingState
    errors: int
    reason: str | None


class LabelingHealth(ResultListener):
    """Counts the frames that could not be labeled, and reports a model that fails, once."""

    def __init__(
        self,
        on_fault: Callable[[Labeler, str], object],
        on_change: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        """Start with no frames.

        Args:
            on_fault: Receives the labeler that fails, and the reason; called on the labeling thread, must not block.
            on_change: Called on the labeling thread when labeling begins or ceases to fail; must not block.
            clock: Returns monotonic time in seconds.
        """
        self._on_fault = on_fault
        self._on_change = on_change
        self._clock = clock
        self._lock = threading.Lock()
        self._labeler: Labeler | None = None
        self._errors = 0
        self._frames: deque[tuple[float, bool]] = deque()
        self._since_s: float | None = None
        self._in_a_row = self._failed = 0
        self._reason: str | None = None
        self._is_failing = self._is_reported = False

    @property
    def report(self) -> HealthReport:
        """The health now; any thread may read it."""
        with self._lock:
            state = LabelingState.FAILING if self._is_failing else LabelingState.OK
            return HealthReport(state, self._errors, self._reason if self._is_failing else None)

    def on_engine_changed(self, engine: Engine) -> None:
        """Start over with another model; a change of the threshold changes nothing."""
        if engine.labeler is self._labeler:
            return
        self._labeler = engine.labeler
        with self._lock:
            was_failing = self._is_failing
            self._start_over()
        if was_failing:
            self._on_change()

    def on_frame(self, result: FrameResult) -> None:
        """Count a labeled frame."""
        with self._lock:
            self._in_a_row = 0
            self._add(failed=False)
            recovers = self._is_failing and self._share() < _HEALTHY_SHARE
            if recovers:
                self._is_failing = False
        if recovers:
            self._on_change()

    def on_frame_failed(self, error: str) -> None:
        """Count a frame that could not be labeled, and report the model if there were too many."""
        with self._lock:
            self._errors += 1
            self._in_a_row += 1
            self._reason = error
            self._add(failed=True)
            fault = self._find_fault()
            begins = not self._is_failing and (fault is not None or self._has_many_failures())
            self._is_failing = self._is_failing or begins
            labeler = None if fault is None or self._is_reported else self._labeler
            self._is_reported = self._is_reported or labeler is not None
        if begins:
            self._on_change()
        if labeler:
            self._on_fault(labeler, f"{fault}: {error}")

    def on_labels_unknown(self, reason: str) -> None:
        """Call labeling failing if no frame could be labeled for some seconds."""
        if reason == NO_LABELS:
            with self._lock:
                begins, self._is_failing = not self._is_failing, True
            if begins:
                self._on_change()

    def _start_over(self) -> None:
        self._frames.clear()
        self._since_s = self._reason = None
        self._in_a_row = self._failed = 0
        self._is_failing = self._is_reported = False

    def _add(self, *, failed: bool) -> None:
        now_s = self._clock()
        if self._since_s is None:
            self._since_s = now_s
        while self._frames and (now_s - self._frames[0][0] > WINDOW_S or len(self._frames) == _MAX_FRAMES):
            self._failed -= self._frames.popleft()[1]
        self._frames.append((now_s, failed))
        self._failed += failed

    def _share(self) -> float:
        return self._failed / len(self._frames)

    def _has_many_failures(self) -> bool:
        return self._failed >= IN_A_ROW and self._share() >= _FAILING_SHARE

    def _find_fault(self) -> str | None:
        if self._in_a_row >= IN_A_ROW:
            return f"it could not label {self._in_a_row} frames in a row"
        is_whole = self._since_s is not None and self._clock() - self._since_s >= WINDOW_S
        if is_whole and len(self._frames) >= _MIN_FRAMES and self._share() >= _FAILING_SHARE:
            return f"it could not label {self._failed} of {len(self._frames)} frames in a minute"
        return None
