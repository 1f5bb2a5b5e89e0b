"""Measurements of this process and this machine for the topic stats."""

import os
import shutil
import socket
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


def measure_free_disk_mb(folder: Path) -> float | None:
    """Return the free space of a folder's file system in MB (1e6 bytes); None if it cannot be read."""
    try:
        return round(shutil.disk_usage(folder).free / 1e6)
    except OSError:
        return None


def read_ip_address() -> str | None:
    """Return the address of the network interface with the default route, IPv4 first; None without a route."""
    for family, destination in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            # A datagram socket sends nothing when it connects; the system only looks up the route.
            with socket.socket(family, socket.SOCK_DGRAM) as route:
                route.connect((destination, 9))
                return str(route.getsockname()[0])
        except OSError:
            continue
    return None
