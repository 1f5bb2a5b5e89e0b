"""When the source is asked: every interval with some chance in it, later after errors, earlier on command.

Chance spreads devices that were switched on together; after errors the wait doubles each time. All of it in monotonic
time: a clock that is set, or was never right, changes nothing.
"""

from collections.abc import Callable

FIRST_RETRY_S = 15.0
LONGEST_RETRY_S = 900.0
_FIRST_CHECK_WITHIN_S = 10.0
_JITTER = 0.1


class Schedule:
    """The time of the next check."""

    def __init__(self, interval_s: float, clock: Callable[[], float], chance: Callable[[], float]):
        """Args:
        interval_s: Between checks; 0: only on command.
        clock: Monotonic time in seconds.
        chance: A number from 0 to 1.
        """
        self._interval_s = interval_s
        self._clock = clock
        self._chance = chance
        self._failures = 0
        first_s = chance() * min(_FIRST_CHECK_WITHIN_S, interval_s * _JITTER)
        self._due_s: float | None = clock() + first_s if interval_s else None

    def wait_s(self) -> float | None:
        """Seconds until the next check; None: there is none."""
        return None if self._due_s is None else max(0.0, self._due_s - self._clock())

    def due(self) -> bool:
        """Whether it is time."""
        return self._due_s is not None and self._clock() >= self._due_s

    def soon(self) -> None:
        """There is something to do now."""
        self._due_s = self._clock()

    def rested(self) -> None:
        """What held checks back is over: now, unless they come only on command."""
        if self._interval_s:
            self.soon()

    def went_well(self) -> None:
        """The source answered, and what it offers was dealt with."""
        self._failures = 0
        spread = 1 - _JITTER + 2 * _JITTER * self._chance()
        self._due_s = self._clock() + self._interval_s * spread if self._interval_s else None

    def failed(self, retry_after_s: float | None, under_way: bool) -> float | None:
        """It did not go well.

        Args:
            retry_after_s: How long the server wants to be left alone.
            under_way: A candidate is: it is tried again although checks come only on command.

        Returns:
            In how many seconds it is tried again; None: on command.
        """
        self._failures += 1
        if not self._interval_s and not under_way:
            self._due_s = None
            return None
        first_s = min(FIRST_RETRY_S, self._interval_s or FIRST_RETRY_S)
        longest_s = max(self._interval_s, LONGEST_RETRY_S)
        after_s = min(first_s * 2 ** min(self._failures - 1, 30), longest_s) * (0.75 + 0.5 * self._chance())
        after_s = max(after_s, retry_after_s or 0.0)
        self._due_s = self._clock() + after_s
        return after_s
