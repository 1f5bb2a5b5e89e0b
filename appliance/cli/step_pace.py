"""The pace of a step of long work: when to show its progress again, and the time that it still takes."""

import time

# Before, the first items say too little about the rest.
_ESTIMATE_AFTER_S = 1.0


class StepPace:
    """The current step, and when its progress was shown last."""

    def __init__(self, every_s: float):
        """Start without a step.

        Args:
            every_s: The time between two times to show the progress within one step.
        """
        self._every_s = every_s
        self.step = ""
        self._started_s = self._shown_s = 0.0
        self._done_at_start = 0

    def is_due(self, step: str, done: int, total: int) -> bool:
        """Return whether the progress is to be shown now: at the start and end of a step, and not too often between.

        Args:
            step: The current step.
            done: Number of finished items.
            total: Total number of items; 0 if unknown.
        """
        now_s = time.monotonic()
        if step != self.step:
            self.step, self._started_s, self._done_at_start, self._shown_s = step, now_s, done, 0.0
        if now_s - self._shown_s < self._every_s and done < total:
            return False
        self._shown_s = now_s
        return True

    def estimate_left_s(self, done: int, total: int) -> float | None:
        """Return the seconds left of this step; None if there is no estimate yet.

        Items that were already done at the start of the step came from a cache and took no time.
        """
        elapsed_s, finished = self._shown_s - self._started_s, done - self._done_at_start
        if elapsed_s < _ESTIMATE_AFTER_S or finished <= 0:
            return None
        return (total - done) * elapsed_s / finished
