"""Logging to standard error, as text or as one JSON object per line.

Messages contain text from outside: names of models, errors of servers, answers of brokers. Both forms are the last
place where it is cleaned and bounded, so that no record becomes two lines, and none controls a terminal.
"""

import json
import logging
import os
import sys
from datetime import datetime
from typing import Any

from appliance.system.foreign_text import clean_lines, clean_text
from appliance.system.timestamps import to_rfc3339

# A path has at most 4096 bytes (PATH_MAX), and a message may contain one.
_MAX_MESSAGE = 8192
_MAX_TRACEBACK = 32768
_INDENT = "    "


class _TextFormatter(logging.Formatter):
    """Formats records as `2026-01-31T12:30:01+01:00 warning: …`; the time is omitted if the journal adds one."""

    def __init__(self, with_time: bool):
        super().__init__("%(asctime)s %(message)s" if with_time else "%(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """Return the local time with its date and zone, so that lines of different days and devices can be compared."""
        return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="seconds")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = clean_text(record.message, _MAX_MESSAGE)
        if record.levelno >= logging.WARNING:
            record.message = f"{record.levelname.lower()}: {record.message}"
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """Return a traceback whose lines are indented, so that no text in it is taken for a record."""
        return _INDENT + clean_lines(super().formatException(ei), _MAX_TRACEBACK).replace("\n", f"\n{_INDENT}")

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        """Return a stack whose lines are indented."""
        return _INDENT + clean_lines(super().formatStack(stack_info), _MAX_TRACEBACK).replace("\n", f"\n{_INDENT}")


class _JsonFormatter(logging.Formatter):
    """Formats each record as a JSON object: time, level, logger, message, and the exception, if any."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": to_rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean_text(record.getMessage(), _MAX_MESSAGE),
        }
        if record.exc_info:
            entry["exception"] = clean_lines(self.formatException(record.exc_info), _MAX_TRACEBACK)
        return json.dumps(entry, ensure_ascii=False)


def configure_logging(level: str = "info", form: str = "text") -> None:
    """Send log records to standard error; call again to change the level or the form.

    Args:
        level: The lowest level to write: debug, info, warning or error. Libraries log only warnings and errors.
        form: text or json.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JsonFormatter() if form == "json" else _TextFormatter(with_time="JOURNAL_STREAM" not in os.environ)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("appliance").setLevel(level.upper())


def is_json_log() -> bool:
    """Return whether log records are written as JSON."""
    return any(isinstance(handler.formatter, _JsonFormatter) for handler in logging.getLogger().handlers)
