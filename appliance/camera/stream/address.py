"""Addresses of network cameras: the form for libav, the form for display, and whether the host name is known.

User name and password appear only in the address for libav. The display form omits them and the query, in which many
cameras also expect a password. The host name is resolved before libav is called, because libav's own lookup cannot be
interrupted and does not report why it failed.
"""

import dataclasses
import logging
import socket
import threading
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from appliance.errors import CameraAbsentError
from appliance.settings.schema import CameraSettings
from appliance.settings.secrets import read_secret
from appliance.system.urls import redact

log = logging.getLogger("appliance.camera")

LOOK_UP_LIMIT_S = 4.0
DEFAULT_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}

_logged: set[str] = set()  # warnings about password files, once per process although cameras are reopened


@dataclass(frozen=True, slots=True)
class CameraAddress:
    """Address of a network camera.

    Attributes:
        url: The address with user name and password, only for libav.
        display_url: The address without credentials and query.
        scheme: http, https, rtsp or rtsps.
        host: Host name or IP address.
        port: The port; by default that of the scheme.
        has_credentials: Whether a user name is configured.
    """

    url: str = dataclasses.field(repr=False)
    display_url: str
    scheme: str
    host: str
    port: int
    has_credentials: bool


def parse_address(settings: CameraSettings) -> CameraAddress:
    """Return the address from the settings, with the credentials inserted.

    Raises:
        SettingsError: The password file cannot be read.
    """
    split = urlsplit(settings.source)
    host_and_port = split.netloc.rpartition("@")[2]
    display_url = redact(settings.source) + ("?…" if split.query else "")
    credentials = _read_credentials(settings)
    url = urlunsplit(SplitResult(split.scheme, credentials + host_and_port, split.path, split.query, ""))
    port = split.port or DEFAULT_PORTS[split.scheme]
    return CameraAddress(url, display_url, split.scheme, split.hostname or "", port, bool(credentials))


def read_login(settings: CameraSettings) -> tuple[str, str] | None:
    """Return the user name and the password, which may be empty; None without a user name.

    Raises:
        SettingsError: The password file cannot be read.
    """
    if not settings.username:
        return None
    if settings.password_file is None:
        return settings.username, ""
    password, warning = read_secret(settings.password_file, "camera.password_file", may_be_empty=True)
    if warning and warning not in _logged:
        _logged.add(warning)
        log.warning("%s", warning)
    return settings.username, password


def _read_credentials(settings: CameraSettings) -> str:
    """Return `name:password@`, percent-encoded as libav requires; empty without a user name."""
    login = read_login(settings)
    if login is None:
        return ""
    name, password = (quote(part, safe="") for part in login)
    return f"{name}:{password}@"


def resolve_host(address: CameraAddress) -> None:
    """Check that the host name resolves, within LOOK_UP_LIMIT_S.

    Raises:
        CameraAbsentError: The host name does not resolve, or the name server does not answer.
    """
    failures: list[OSError | UnicodeError] = []

    def resolve() -> None:
        try:
            socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            failures.append(error)

    # A separate thread, because a lookup cannot be aborted; the thread ends by itself and holds no resources.
    thread = threading.Thread(target=resolve, name="look-up", daemon=True)
    thread.start()
    thread.join(LOOK_UP_LIMIT_S)
    if thread.is_alive():
        raise CameraAbsentError(
            f"{address.display_url}: the host name {address.host} could not be resolved in time; check the network"
        )
    if failures:
        raise CameraAbsentError(
            f"{address.display_url}: the host name {address.host} is unknown; check the name and the network"
        )
