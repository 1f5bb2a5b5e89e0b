"""Troubles said once: when they begin, when they change, and when they are over; and the wait between two attempts."""

import logging
import random

log = logging.getLogger(__name__)


class Troubles:
    """What is wrong now, by key. Written by one thread; `sentence` may be read by any."""

    def __init__(self) -> None:
        self._current: dict[str, str] = {}
        self.sentence: str | None = None

    def say(self, key: str, sentence: str | None) -> None:
        """The trouble called `key` is this, or over (None). Only a change is logged."""
        if self._current.get(key) == sentence:
            return
        if sentence is None:
            over = self._current.pop(key)
            log.info("no longer so: %s", over)
        else:
            self._current[key] = sentence
            log.warning("%s", sentence)
        self._join()

    def over(self, key: str) -> bool:
        """Ends a trouble without a word, for the caller to say it better. Returns whether there was one."""
        there_was = self._current.pop(key, None) is not None
        self._join()
        return there_was

    def _join(self) -> None:
        self.sentence = "; ".join(self._current.values()) or None


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
