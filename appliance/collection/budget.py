"""The number of frames that may be kept in an hour."""

from collections import deque

HOUR_S = 3600.0


class HourBudget:
    """Counts the frames kept within the last hour. Callers pass the frames' monotonic times. Not thread-safe."""

    def __init__(self, per_hour: int, *, spread: bool):
        """Start with no frames.

        Args:
            per_hour: The maximum number of frames in an hour.
            spread: Whether they are spread over the hour, so that one busy minute does not use up the budget.
        """
        self.per_hour = per_hour
        self._spread = spread
        self._kept_s: deque[float] = deque()

    def allows(self, now_s: float) -> bool:
        """Return whether one more frame may be kept now."""
        while self._kept_s and now_s - self._kept_s[0] >= HOUR_S:
            self._kept_s.popleft()
        if len(self._kept_s) >= self.per_hour:
            return False
        return not self._spread or not self._kept_s or now_s - self._kept_s[-1] >= HOUR_S / self.per_hour

    def charge(self, now_s: float) -> None:
        """Count a frame that was kept."""
        self._kept_s.append(now_s)
