"""Log conditions that last: each is logged when it begins, when it changes, and when it is resolved."""

import logging
from collections.abc import Callable

log = logging.getLogger("appliance.mqtt")

ReportCondition = Callable[[str, str | None], None]
"""The signature of ConditionLog.report: the condition's key, and its description, or None when it is resolved."""


class ConditionLog:
    """The current error conditions, by key.

    Only one thread may report conditions; any thread may read `summary`.

    Attributes:
        summary: All conditions in one line; None while there are none.
    """

    def __init__(self) -> None:
        self._current: dict[str, str] = {}
        self.summary: str | None = None

    def report(self, key: str, description: str | None) -> None:
        """Set the condition of a key, or resolve it with None; log only a change."""
        if self._current.get(key) == description:
            return
        if description is None:
            log.info("resolved: %s", self._current.pop(key))
        else:
            self._current[key] = description
            log.warning("%s", description)
        self._update_summary()

    def remove(self, key: str) -> None:
        """Resolve a condition without logging it, because the caller logs a more detailed message."""
        self._current.pop(key, None)
        self._update_summary()

    def _update_summary(self) -> None:
        self.summary = "; ".join(self._current.values()) or None
