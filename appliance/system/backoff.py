"""Exponential back-off with jitter."""

import random


class BackOff:
    """The wait before the next attempt: doubling from `first_s` to `longest_s`, with jitter.

    The jitter of a quarter either way keeps devices that lost the same broker from coming back in one wave.
    """

    def __init__(self, first_s: float, longest_s: float):
        self._first_s, self._longest_s = first_s, longest_s
        self._next_s = first_s

    def next_s(self) -> float:
        """How long to wait now."""
        wait_s, self._next_s = self._next_s, min(self._longest_s, self._next_s * 2)
        return min(self._longest_s, wait_s * random.uniform(0.75, 1.25))

    def reset(self) -> None:
        """An attempt has proved itself: the next wait is the first again."""
        self._next_s = self._first_s
