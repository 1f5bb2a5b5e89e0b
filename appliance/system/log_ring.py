"""Keep the last lines of the log in memory, for the page; the account of the service cannot read the journal."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from appliance.system.foreign_text import clean_text
from appliance.system.timestamps import to_rfc3339
from appliance.system.urls import without_credentials

MAX_LINES = 200
_MAX_TEXT = 2000


class LogRing(logging.Handler):
    """A handler that keeps the last records as `{"time", "level", "text"}`, cleaned and without credentials."""

    def __init__(self, on_line: Callable[[dict[str, Any]], None] = lambda _: None):
        """Start empty.

        Args:
            on_line: Receives each new line; must not block, and must not log.
        """
        super().__init__()
        self._lines: deque[dict[str, Any]] = deque(maxlen=MAX_LINES)
        self.on_line = on_line
        self._lines_lock = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        try:
            text = clean_text(without_credentials(record.getMessage()), _MAX_TEXT)
        except Exception:  # noqa: BLE001 - as logging does: a malformed record is no reason to fail
            self.handleError(record)
            return
        line = {"time": to_rfc3339(record.created), "level": record.levelname.lower(), "text": text}
        with self._lines_lock:
            self._lines.append(line)
        self.on_line(line)

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines, oldest first."""
        with self._lines_lock:
            return list(self._lines)
