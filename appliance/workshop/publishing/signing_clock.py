"""Check this machine's clock before signing, as pure functions.

Signatures with a time far ahead make devices report a wrong clock, and with a time far behind they have expired at
once. The references are the installation of this program, the last signature, and the date of the server.
"""

import contextlib
import email.utils
from datetime import UTC, datetime, timedelta

from appliance.errors import PublishError
from appliance.system.clock import is_clock_before_build

# Clocks of two machines may differ by this much; devices tolerate as much.
_TOLERANCE = timedelta(hours=1)
# The root is valid for a year, so a site that was not signed for longer is rare, and a clock that is wrong is likely.
_LONGEST_PAUSE = timedelta(days=400)
_REMEDY = "correct the clock (see timedatectl), or pass --trust-clock if it is right"


def require_plausible_clock(now: datetime, signed_at: datetime | None, server_date: str | None = None) -> None:
    """Check the time of the next signatures.

    Args:
        now: The time, timezone-aware.
        signed_at: When the site was signed last; None if it is new.
        server_date: The Date header of the server of the site; None if none was asked.

    Raises:
        PublishError: The clock is wrong, or was wrong when the site was signed last.
    """
    shown = f"this machine's clock shows {now:%Y-%m-%d %H:%M}"
    if is_clock_before_build(now.timestamp()):
        raise PublishError(f"{shown}, before the time at which this program was installed; {_REMEDY}")
    served = _parse_date(server_date)
    if served is not None and abs(now - served) > _TOLERANCE:
        raise PublishError(f"{shown}, and that of the server {served.astimezone(UTC):%Y-%m-%d %H:%M} UTC; {_REMEDY}")
    if signed_at is None:
        return
    if now + _TOLERANCE < signed_at:
        raise PublishError(
            f"{shown}, before the time at which the site was signed last ({signed_at:%Y-%m-%d %H:%M} UTC), so one of "
            f"them is wrong; {_REMEDY}"
        )
    if now - signed_at > _LONGEST_PAUSE:
        raise PublishError(
            f"{shown}, {(now - signed_at).days} days after the site was signed last ({signed_at:%Y-%m-%d}); {_REMEDY}"
        )


def _parse_date(text: str | None) -> datetime | None:
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        date = email.utils.parsedate_to_datetime(text or "")
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date
    return None
