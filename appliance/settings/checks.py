"""Validators for individual settings: each returns what is wrong with a value, or None if it is valid."""

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from appliance.system.names import is_plain_name
from appliance.system.urls import is_loopback, is_public_address

Check = Callable[[Any], str | None]

# NAME_MAX and PATH_MAX of Linux.
_MAX_NAME_BYTES, _MAX_PATH_BYTES = 255, 4095
_MAX_INTERVAL_S = 31 * 86400
_MAX_LISTENERS = 8
NOT_HTTPS = (
    "must begin with https:// (http:// only for this machine, or for a signed repository at a private address with "
    "update.allow_http = true), because the network could alter the model"
)
"""Why an address for updates is refused."""
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
WINDOW = re.compile(rf"(?P<start>{_TIME})-(?P<end>{_TIME})")
"""A window of local time, such as 02:00-05:00."""


def check_range(low: float, high: float, unit: str = "") -> Check:
    """Return a check that a number is from `low` to `high`, inclusive."""
    return lambda value: None if low <= value <= high else f"must be from {low:g} to {high:g}{unit}"


def check_minimum(low: float, unit: str = "") -> Check:
    """Return a check that a number is `low` or more."""
    return lambda value: None if value >= low else f"must be {low:g}{unit} or more"


def check_path_length(value: str) -> str | None:
    """Check that a path, and each name in it, is not longer than Linux allows."""
    longest = max(len(name.encode(errors="surrogateescape")) for name in value.split("/"))
    if longest > _MAX_NAME_BYTES:
        return f"contains a name of {longest} bytes, and a file's name has at most {_MAX_NAME_BYTES}; correct the path"
    if (length := len(value.encode(errors="surrogateescape"))) > _MAX_PATH_BYTES:
        return f"has {length} bytes, and a path has at most {_MAX_PATH_BYTES}; correct the path"
    return None


def check_device_id(value: str) -> str | None:
    """Check the characters of a device id."""
    if re.fullmatch(r"[a-z0-9_-]{1,32}", value):
        return None
    return "must be 1 to 32 characters from a–z, 0–9, _ and - (it becomes part of MQTT topics)"


def check_camera_source(value: str) -> str | None:
    """Check a camera source: a URL must have a known scheme and a host, and no credentials."""
    if not value:
        return "must not be empty"
    if "://" not in value:
        return check_path_length(value)
    try:
        url = urlsplit(value)
    except ValueError:
        return "is not a valid address"
    if url.scheme not in ("rtsp", "rtsps", "http", "https"):
        return f"has an unknown scheme ({url.scheme}://); use rtsp://, http:// or https://"
    if url.username or url.password:
        return (
            "must not contain credentials; put the user name in camera.username "
            "and the password in the file given by camera.password_file"
        )
    return None if url.hostname else "has no host name"


def check_region(value: tuple[float, ...] | str) -> str | None:
    """Check that a region (x, y, width, height as fractions; or "square") lies inside the picture."""
    if isinstance(value, str):
        return None if value == "square" else 'must be [x, y, width, height] or "square"'
    x, y, width, height = value
    if width > 0 and height > 0 and x >= 0 and y >= 0 and x + width <= 1 + 1e-9 and y + height <= 1 + 1e-9:
        return None
    return "must lie inside the picture: [x, y, width, height] as fractions from 0 to 1"


def check_size(value: tuple[int, ...]) -> str | None:
    """Check a camera's width and height in pixels."""
    return None if all(16 <= side <= 8192 for side in value) else "must be [width, height], each from 16 to 8192 px"


def check_max_results(value: int) -> str | None:
    """Check a number of labels; -1 means all."""
    return None if value == -1 or value >= 1 else "must be 1 or more, or -1 for all"


def check_thresholds(value: dict[str, float]) -> str | None:
    """Check that each label's threshold is from 0 to 1."""
    invalid = [label for label, threshold in value.items() if not 0 <= threshold <= 1]
    return f"must be from 0 to 1 (see {invalid[0]})" if invalid else None


def check_broker_host(value: str) -> str | None:
    """Check that the broker is a host name or an address without a port, scheme or credentials."""
    has_port = value.count(":") == 1 or "[" in value  # a bare IPv6 address has at least two colons
    if has_port or "://" in value or "@" in value or "/" in value:
        return (
            "must be only a host name or an address; put the port in mqtt.port, "
            "and the password in the file given by mqtt.password_file"
        )
    return None if value else "must not be empty"


def check_topic(value: str) -> str | None:
    """Check that a topic has no wildcard and no empty level at either end."""
    if value and not re.search(r"[+#\x00]", value) and not value.startswith(("/", "$")) and not value.endswith("/"):
        return None
    return "must be a topic without wildcards (+, #) and without a slash at either end"


def check_model_url(value: str) -> str | None:
    """Check the address of models or keys: https, or http on this machine, without credentials."""
    if fault := check_update_url(value):
        return fault
    url = urlsplit(value)
    return NOT_HTTPS if url.scheme == "http" and not is_loopback(url.hostname or "") else None


def check_update_url(value: str) -> str | None:
    """Check the address of an update source: https, or http to a host that may be private, without credentials.

    Whether http is allowed also depends on other settings (contradictions.py).
    """
    try:
        url = urlsplit(value)
        host, _ = url.hostname, url.port
    except ValueError:
        return "is not a valid address"
    if url.scheme not in ("https", "http") or not host:
        return "must be an address that begins with https://"
    if url.username or url.password:
        return "must not contain credentials; models are fetched without an account, so there is no password_file here"
    return NOT_HTTPS if url.scheme == "http" and is_public_address(host) else None


def check_window(value: str) -> str | None:
    """Check a window of local time."""
    times = WINDOW.fullmatch(value)
    if times and times["start"] != times["end"]:
        return None
    return 'must be two different times from 00:00 to 23:59, such as "02:00-05:00"'


def check_plain_name(value: str) -> str | None:
    """Check the characters of a name such as a channel's."""
    return None if is_plain_name(value) else "must be 1 to 64 letters, digits, dots, hyphens or underscores"


def check_sha1(value: str) -> str | None:
    """Check the SHA-1 fingerprint of a certificate."""
    return None if re.fullmatch(r"[0-9A-Fa-f]{40}", value) else "must be 40 hex digits without colons"


def check_sha256(value: str) -> str | None:
    """Check the SHA-256 fingerprint of a certificate; colons between the bytes are allowed."""
    digits = value.replace(":", "")
    return None if re.fullmatch(r"[0-9A-Fa-f]{64}", digits) else "must be 64 hex digits, with or without colons"


def check_interval(value: float) -> str | None:
    """Check the seconds between two update checks; 0 means only on command."""
    if value == 0 or 1 <= value <= _MAX_INTERVAL_S:
        return None
    return f"must be from 1 to {_MAX_INTERVAL_S} s (31 days), or 0 to check only on command"


def check_listen(value: tuple[str, ...]) -> str | None:
    """Check the addresses to listen on: a literal IPv4 address or an IPv6 address in brackets, and a port."""
    if not value:
        return 'must name at least one address, such as "127.0.0.1:8080"'
    if len(value) > _MAX_LISTENERS:
        return f"must name at most {_MAX_LISTENERS} addresses"
    for text in value:
        host, _, port = text.rpartition(":")
        is_bracketed = host.startswith("[") and host.endswith("]")
        try:
            address = ip_address(host[1:-1] if is_bracketed else host)
        except ValueError:
            return f'must consist of addresses with a port, such as "127.0.0.1:8080" or "[::]:8080", not {text!r}'
        if is_bracketed != (address.version == 6):
            return f"must have brackets around IPv6 addresses only, unlike {text!r}"
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
            return f"must have a port from 1 to 65535 in {text!r}"
    return None


def check_public_url(value: str) -> str | None:
    """Check the address of the page: http or https, a host, and at most a path of its own root."""
    try:
        url = urlsplit(value)
        host, _ = url.hostname, url.port
    except ValueError:
        return "is not a valid address"
    if url.scheme not in ("http", "https") or not host:
        return "must be an address that begins with http:// or https://"
    if url.username or url.password or url.path not in ("", "/") or url.query or url.fragment:
        return "must be only a scheme, a host and a port, such as https://camera.example"
    return None
