"""The time zone of this device, by its name in the IANA database, or as an offset from UTC."""

import os
import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LOCALTIME, _TIMEZONE = Path("/etc/localtime"), Path("/etc/timezone")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")


def describe_time_zone(localtime: Path = _LOCALTIME, timezone: Path = _TIMEZONE) -> str:
    """Return the name of the zone, such as Europe/Berlin; if it cannot be known, the offset now, such as +0100.

    Args:
        localtime: A link into the database of time zones (localtime(5)).
        timezone: A file with the name, which Debian also writes.
    """
    now = datetime.now().astimezone()
    candidates = (
        [os.environ["TZ"].lstrip(":")] if os.environ.get("TZ") else [_read_link(localtime), _read_name(timezone)]
    )
    for name in candidates:
        zone = _load(name)
        # A file that was forgotten in a change must not lead to times of another zone.
        if zone is not None and now.astimezone(zone).utcoffset() == now.utcoffset():
            return name
    return now.strftime("%z")


@lru_cache(maxsize=8)
def _load(name: str) -> ZoneInfo | None:
    """Return a zone of the database; None if it has none with this name."""
    if not _NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _read_link(path: Path) -> str:
    try:
        return str(path.readlink()).partition("zoneinfo/")[2]
    except OSError:
        return ""


def _read_name(path: Path) -> str:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            return file.readline(100).strip()
    except OSError:
        return ""
