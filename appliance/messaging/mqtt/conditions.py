"""Log conditions that last: each is logged when it begins, when it changes, and when it is resolved.

A condition is identified by its key and its cause, never by its text, which may contain sizes, counts or the words of a
broker. Changes that follow each other without end are logged a few times, and then not until they have become rare.
"""

import logging
import re
import time
from collections import deque
from collections.abc import Callable

log = logging.getLogger("appliance.mqtt")

ReportCondition = Callable[[str, str | None], None]
"""The signature of ConditionLog.report: the condition's key, and its description, or None when it is resolved."""

_MAX_LINES, _WITHIN_S = 6, 600.0


class ConditionLog:
    """The current error conditions, by key.

    Only one thread may report conditions; any thread may read `summary`.

    Attributes:
        summary: All conditions in one line; None while there are none.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with no condition; `clock` returns monotonic seconds."""
        self._clock = clock
        self._current: dict[str, str] = {}
        self._logged: dict[str, str] = {}
        self._lines: dict[str, deque[float]] = {}
        self._mentioned: dict[str, str] = {}
        self.summary: str | None = None

    def report(self, key: str, description: str | None) -> None:
        """Set the condition of a key, or resolve it with None; log only a change of its cause."""
        before = self._current.get(key)
        if before == description:
            return
        if description is None:
            self._current.pop(key)
            if (logged := self._logged.pop(key, None)) is not None:
                log.info("resolved: %s", logged)
        else:
            self._current[key] = description
            if before is None or _cause(before) != _cause(description):
                self._log(key, description)
        self._update_summary()

    def mention(self, key: str, description: str) -> None:
        """Log a fact that is no error, once."""
        if self._mentioned.get(key) != description:
            self._mentioned[key] = description
            log.warning("%s", description)

    def remove(self, key: str) -> None:
        """Resolve a condition without logging it, because the caller logs a more detailed message."""
        self._current.pop(key, None)
        self._logged.pop(key, None)
        self._update_summary()

    def _log(self, key: str, description: str) -> None:
        now_s = self._clock()
        lines = self._lines.setdefault(key, deque())
        while lines and now_s - lines[0] > _WITHIN_S:
            lines.popleft()
        self._logged.pop(key, None)
        if len(lines) >= _MAX_LINES:
            return
        lines.append(now_s)
        self._logged[key] = description
        often = len(lines) == _MAX_LINES
        more = f" (further changes are not logged while there are {_MAX_LINES} in {_WITHIN_S / 60:.0f} minutes)"
        log.warning("%s%s", description, more if often else "")

    def _update_summary(self) -> None:
        self.summary = "; ".join(self._current.values()) or None


def _cause(description: str) -> str:
    return re.sub(r"[0-9]+([.,][0-9]+)*", "#", description)
