"""Measurements of this process and this machine for the topic stats."""

import fcntl
import os
import shutil
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")
_SIOCGIFFLAGS, _SIOCGIFADDR = 0x8913, 0x8915
_IFF_UP, _IFF_LOOPBACK = 1, 8


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
    """Return this machine's address in its network, IPv4 first; None without a network.

    It is that of the interface with the default route, else, in a network without a router, of the first interface.
    """
    for family, destination in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            # A datagram socket sends nothing when it connects; the system only looks up the route.
            with socket.socket(family, socket.SOCK_DGRAM) as route:
                route.connect((destination, 9))
                return str(route.getsockname()[0])
        except OSError:
            continue
    return next(_list_interface_addresses(), None)


def _list_interface_addresses() -> Iterator[str]:
    """Yield the IPv4 address of each network interface that is up and is no loopback (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                flags = struct.unpack_from("H", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request), 16)[0]
                if flags & _IFF_UP and not flags & _IFF_LOOPBACK:
                    yield socket.inet_ntoa(fcntl.ioctl(any_socket, _SIOCGIFADDR, request)[20:24])
            except OSError:
                continue  # without an address, or removed meanwhile
