"""A check of the system clock.

A Raspberry Pi has no battery-backed clock, so its time is wrong until the network is up.
"""

import time
from pathlib import Path

import appliance


def is_clock_before_build(now_s: float | None = None) -> bool:
    """Return whether the clock must be wrong, because its time is before this program was installed.

    Args:
        now_s: The time to check, in seconds since 1970-01-01 UTC; None takes the system clock.
    """
    return (time.time() if now_s is None else now_s) < Path(appliance.__file__).stat().st_mtime
