"""Decide whether a host is in a private network, where its name may be known only to the local name server."""

import socket

from appliance.system.urls import is_private_address


def is_private_host(host: str) -> bool:
    """Return whether every address of a host name or address is private; False if it has none."""
    if is_private_address(host):
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(is_private_address(str(entry[4][0])) for entry in found)
