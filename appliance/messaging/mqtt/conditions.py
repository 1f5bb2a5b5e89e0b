"""Troubles said once: when they begin, when they change, and when they are over; and the wait between two attempts."""

import logging

log = logging.getLogger(__name__)


class ConditionLog:
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
