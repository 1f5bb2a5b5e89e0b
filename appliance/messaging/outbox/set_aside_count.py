"""Count rows of the outbox that are set aside, and log them without flooding the log."""

import logging
from collections.abc import Sequence
from pathlib import Path

from appliance.system.foreign_text import clean_text

log = logging.getLogger("appliance.mqtt")

_MAX_REASON = 200


class SetAsideCount:
    """The number of rows since the program started.

    Attributes:
        total: The number.
    """

    def __init__(self, path: Path):
        """Start at 0.

        Args:
            path: The outbox's file, for the log.
        """
        self.total = 0
        self._path = path

    def add(self, what: str, reasons: Sequence[str]) -> None:
        """Count rows; log the first ones, and then only when the number has one more digit.

        Args:
            what: What the rows are, in the plural.
            reasons: Why each of them is set aside.
        """
        before, self.total = self.total, self.total + len(reasons)
        if reasons and (not before or len(str(before)) < len(str(self.total))):
            log.error(
                "%d %s in the outbox %s cannot be used (%s); set aside in its table set_aside, %d since the start;"
                " the others are delivered",
                len(reasons),
                what,
                self._path,
                clean_text(reasons[0], _MAX_REASON),
                self.total,
            )

    def add_logged(self, count: int) -> None:
        """Count rows that were logged with the damage of the whole file."""
        self.total += count
