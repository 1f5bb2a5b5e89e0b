"""Exponential back-off with jitter, used wherever this program waits before it retries."""

import math
import random as random_numbers
from collections.abc import Callable


class BackOff:
    """The wait before the next attempt, which doubles from `first_s` to `longest_s` and is spread by jitter.

    Jitter keeps devices that lost the same server from all reconnecting at the same moment. Not thread-safe.
    """

    def __init__(
        self,
        first_s: float,
        longest_s: float,
        jitter: tuple[float, float] = (0.75, 1.25),
        random: Callable[[], float] = random_numbers.random,
        *,
        limit_s: float = math.inf,
    ):
        """Create a back-off that begins with the first wait.

        Args:
            first_s: The first wait in seconds, before jitter.
            longest_s: The longest wait in seconds, before jitter.
            jitter: The lowest and the highest factor; each wait is multiplied by a random factor between them.
            random: Returns a number from 0 to 1.
            limit_s: The longest wait in seconds, after jitter; it reduces the spread of the longest waits.
        """
        self._limit_s = limit_s
        self._first_s, self._longest_s = first_s, longest_s
        self._jitter = jitter
        self._random = random
        self._next_s = min(first_s, longest_s)

    def next_s(self, retry_after_s: float | None = None) -> float:
        """Return the seconds to wait before the next attempt, and double the following wait.

        Args:
            retry_after_s: The shortest wait that the server allows; it may exceed `longest_s` and `limit_s`.
        """
        low, high = self._jitter
        wait_s = min(self._limit_s, self._next_s * (low + (high - low) * self._random()))
        self._next_s = min(self._longest_s, self._next_s * 2)
        return max(wait_s, retry_after_s or 0.0)

    def reset(self) -> None:
        """Start over with the first wait, because an attempt succeeded."""
        self._next_s = min(self._first_s, self._longest_s)
