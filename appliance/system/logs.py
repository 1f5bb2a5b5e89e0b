"""Logging to standard error, as text or as one JSON object per line."""

import json
import logging
import os
import sys

from appliance.system.timestamps import to_rfc3339


class _TextFormatter(logging.Formatter):
    """Formats records as `12:30:01 warning: …`; the time is omitted if the journal adds one."""

    def __init__(self, with_time: bool):
        super().__init__("%(asctime)s %(message)s" if with_time else "%(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        if record.levelno >= logging.WARNING:
            record.message = f"{record.levelname.lower()}: {record.message}"
        return super().formatMessage(record)


class _JsonFormatter(logging.Formatter):
    """Formats each record as a JSON object: time, level, logger, message, and the exception, if any."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": to_rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
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
