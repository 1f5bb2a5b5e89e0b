"""URLs: detect loopback and private hosts, and remove secrets for logs and messages."""

import ipaddress
import re
from urllib.parse import urlsplit

_PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10",
        "::1",
    )
)  # fmt: skip


def is_loopback(host: str) -> bool:
    """Return whether a URL's host name refers to this machine."""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host) is not None


def is_private_address(host: str) -> bool:
    """Return whether a host is an IP address of a private network, of one link, or of this machine.

    Networks: RFC 1918, RFC 4193, RFC 3927, and RFC 4291 (link-local), also as IPv4-mapped IPv6 addresses.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address.version == network.version and address in network for network in _PRIVATE_NETWORKS)


def is_public_address(host: str) -> bool:
    """Return whether a host is an IP address that is not private; False for a name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return not is_private_address(host)


def without_credentials(text: str) -> str:
    """Return `text` with the user name and password of each URL in it replaced by `…`."""
    return re.sub(r"(\w://)[^/@\s]*@", r"\1…@", text)


def redact(url: str) -> str:
    """Return the URL without credentials, query and fragment, which may contain a key."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
