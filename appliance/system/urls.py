"""URLs: detect loopback hosts, and remove secrets for logs and messages."""

import re
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Return whether a URL's host name refers to this machine."""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host) is not None


def without_credentials(text: str) -> str:
    """Return `text` with the user name and password of each URL in it replaced by `…`."""
    return re.sub(r"(\w://)[^/@\s]*@", r"\1…@", text)


def redact(url: str) -> str:
    """Return the URL without credentials, query and fragment, which may contain a key."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
