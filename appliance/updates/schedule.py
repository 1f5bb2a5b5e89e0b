"""Schedule checks of the source: at every interval with jitter, later after errors, at once on demand.

Jitter spreads the checks of devices that were turned on together. All times are monotonic, so a wall clock that is
wrong or is corrected has no effect.
"""

from collections.abc import Callable

from appliance.system.backoff import BackOff

FIRST_RETRY_S = 15.0
LONGEST_RETRY_S = 900.0
PROBATION_CHECK_S = 60.0
_FIRST_CHECK_WITHIN_S = 10.0
_JITTER = 0.1


class Schedule:
    """The time of the next check."""

    def __init__(self, interval_s: float, clock: Callable[[], float], random: Callable[[], float]):
        """Schedule the first check within ten seconds.

        Args:
            interval_s: The time between checks; 0 for only on demand.
            clock: Returns monotonic time in seconds.
            random: Returns a number from 0 to 1.
        """
        self._interval_s = interval_s
        self._clock = clock
        self._random = random
        self._backoff = self._make_backoff()
        first_check_s = random() * min(_FIRST_CHECK_WITHIN_S, interval_s * _JITTER)
        self._due_s: float | None = clock() + first_check_s if interval_s else None
        self._brief_due_s: float | None = None

    @property
    def wait_s(self) -> float | None:
        """The seconds until the next check; None if none is scheduled."""
        due_s = min((each for each in (self._due_s, self._brief_due_s) if each is not None), default=None)
        return None if due_s is None else max(0.0, due_s - self._clock())

    @property
    def is_due(self) -> bool:
        """Whether it is time for a check."""
        return self.wait_s == 0

    @property
    def is_brief(self) -> bool:
        """Whether a check that is due is only one of those during a probation, and the ordinary one is due later."""
        return self._brief_due_s is not None and (self._due_s is None or self._clock() < self._due_s)

    def watch_probation(self, is_active: bool) -> None:
        """Check at least every minute while a model is on probation, unless checks run only on demand."""
        if not is_active or not self._interval_s:
            self._brief_due_s = None
        elif self._brief_due_s is None:
            self._brief_due_s = self._clock() + PROBATION_CHECK_S * (1 - 2 * _JITTER * self._random())

    def record_brief_success(self) -> None:
        """Schedule the next check of the probation after one that found no change."""
        self._brief_due_s = self._clock() + PROBATION_CHECK_S * (1 - 2 * _JITTER * self._random())

    def set_interval(self, interval_s: float) -> None:
        """Use another interval, which begins now; 0 checks only on demand.

        Args:
            interval_s: The time between checks.
        """
        if interval_s == self._interval_s:
            return
        self._interval_s = interval_s
        self._backoff = self._make_backoff()
        self._due_s = self._clock() + interval_s * self._spread() if interval_s else None

    def check_now(self) -> None:
        """Make a check due now."""
        self._due_s = self._clock()

    def resume(self) -> None:
        """Make a check due now, unless checks run only on demand."""
        if self._interval_s:
            self.check_now()

    def record_success(self) -> None:
        """Schedule the next check after the source has answered and its offer was handled."""
        self._backoff.reset()
        self._brief_due_s = None
        self._due_s = self._clock() + self._interval_s * self._spread() if self._interval_s else None

    def record_failure(self, retry_after_s: float | None, under_way: bool) -> float | None:
        """Schedule the next attempt after a failure.

        Args:
            retry_after_s: The minimum wait that the server asks for.
            under_way: Whether an update is in progress, which is retried even if checks run only on demand.

        Returns:
            The seconds until the next attempt; None if only on demand.
        """
        after_s = self._backoff.next_s(retry_after_s)
        if self._brief_due_s is not None:  # a server's Retry-After is respected
            after_s = max(min(after_s, PROBATION_CHECK_S), retry_after_s or 0.0)
            self._brief_due_s = self._clock() + after_s
        if not self._interval_s and not under_way:
            self._due_s = None
            return None
        self._due_s = self._clock() + after_s
        return after_s

    def _make_backoff(self) -> BackOff:
        first_s = min(FIRST_RETRY_S, self._interval_s or FIRST_RETRY_S)
        return BackOff(first_s, max(self._interval_s, LONGEST_RETRY_S), random=self._random)

    def _spread(self) -> float:
        return 1 - _JITTER + 2 * _JITTER * self._random()
