"""Timestamps as text: RFC 3339 in UTC with `Z`, as used in payloads, log entries and files."""

import time
from datetime import UTC, datetime
from typing import Literal


def to_rfc3339(unix_s: float, precision: Literal["seconds", "milliseconds"] = "milliseconds") -> str:
    """Format a Unix time, for example as `2026-01-31T12:00:00.123Z`.

    Smaller fractions are truncated, not rounded.

    Args:
        unix_s: Seconds since 1970-01-01 UTC.
        precision: The smallest unit to write.

    Raises:
        ValueError, OverflowError, OSError: The time is outside the years 1 to 9999.
    """
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def now_rfc3339() -> str:
    """Return the current time with milliseconds."""
    return to_rfc3339(time.time())


def parse_rfc3339(text: str) -> float:
    """Parse an RFC 3339 timestamp with any offset; return the Unix time in seconds.

    Raises:
        ValueError: The text is not a timestamp, or has no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return moment.timestamp()
