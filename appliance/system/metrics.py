"""Measurements of this process and this machine for the topic stats."""

import os
from pathlib import Path

_THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")


def measure_rss_mb() -> float:
    """Return this process's resident memory in MB (1e6 bytes)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def read_cpu_temp_c() -> float | None:
    """Return the processor's temperature in °C, or None if the machine does not report it."""
    try:
        return round(int(_THERMAL.read_text(encoding="ascii")) / 1000, 1)
    except (OSError, ValueError):
        return None
