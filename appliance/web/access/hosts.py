"""Which names in the Host header belong to this device; any other one is refused, against DNS rebinding.

A page of another site can make its own name resolve to the device's address, and its scripts could then read the API
as if it were their own. The browser still sends that other name in the Host header.
"""

import re
import socket
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?")


def parse_host(header: str) -> str | None:
    """Return the host of a Host header in lower case, without port, brackets and final dot; None if it is malformed."""
    found = _HOST.fullmatch(header)
    if found is None or int(found["port"] or 0) > 65535:
        return None
    return found["host"].strip("[]").lower().removesuffix(".")


def is_own_host(
    header: str, local_address: str, public_url: str | None, hostname: Callable[[], str] = socket.gethostname
) -> bool:
    """Return whether a Host header names this device.

    Args:
        header: The value of the Host header.
        local_address: The address of this machine on this connection.
        public_url: The setting web.public_url.
        hostname: Returns the name of this machine.
    """
    host = parse_host(header)
    if host is None:
        return False
    name = hostname().lower()
    short = name.partition(".")[0]
    own = {"localhost", name, short, f"{short}.local"}
    if public_url and (public_host := urlsplit(public_url).hostname):
        own.add(public_host.lower().removesuffix("."))
    return host in own or _same_address(host, local_address)


def _same_address(host: str, local_address: str) -> bool:
    if host == local_address:  # as most clients write it, and parsing takes longer
        return True
    try:
        first, second = ip_address(host), ip_address(local_address.partition("%")[0])
    except ValueError:
        return False
    if second.version == 6 and second.ipv4_mapped is not None:
        second = second.ipv4_mapped
    return first == second
