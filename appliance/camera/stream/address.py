"""Addresses of network cameras: what libav is given, what people are shown, and why a server cannot be reached.

The name and the password of the camera go into the address that libav is given and nowhere else: what may be shown
is a text of its own, without them and without the query, where many cameras take a password too. The host is
looked up before libav is asked, because libav's own look-up cannot be interrupted and its failure says nothing.
"""

import dataclasses
import logging
import os
import socket
import ssl
import threading
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from appliance.errors import CameraAbsentError
from appliance.settings.schema import CameraSettings
from appliance.settings.secrets import read_secret

log = logging.getLogger(__name__)

LOOK_UP_LIMIT_S = 4.0
DEFAULT_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}

_warned: set[str] = set()  # about password files, once in the life of the program however often a camera is reopened


@dataclass(frozen=True, slots=True)
class CameraAddress:
    """Where a network camera is.

    Attributes:
        url: With name and password, for libav alone.
        shown: For people: without credentials and query.
    """

    url: str = dataclasses.field(repr=False)
    shown: str
    scheme: str
    host: str
    port: int
    has_credentials: bool


def parse_address(settings: CameraSettings) -> CameraAddress:
    """The address that the settings give, with the credentials put in.

    Raises:
        SettingsError: The password file cannot be read.
    """
    split = urlsplit(settings.source)
    place = split.netloc.rpartition("@")[2]
    shown = urlunsplit((split.scheme, place, split.path, "…" if split.query else "", ""))
    credentials = _credentials(settings)
    url = urlunsplit(SplitResult(split.scheme, credentials + place, split.path, split.query, ""))
    port = split.port or DEFAULT_PORTS[split.scheme]
    return CameraAddress(url, shown, split.scheme, split.hostname or "", port, bool(credentials))


def _credentials(settings: CameraSettings) -> str:
    """`name:password@`, percent-encoded as libav expects it; empty without a name."""
    if not settings.username:
        return ""
    if settings.password_file is None:
        return quote(settings.username, safe="") + "@"
    password, warning = read_secret(settings.password_file, "camera.password_file")
    if warning and warning not in _warned:
        _warned.add(warning)
        log.warning("%s", warning)
    return f"{quote(settings.username, safe='')}:{quote(password, safe='')}@"


def resolve_host(where: CameraAddress) -> None:
    """Makes sure that the host has an address, within LOOK_UP_LIMIT_S.

    Raises:
        CameraAbsentError: It has none, or the name server does not answer.
    """
    failure: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            failure.append(error)

    # A thread of its own, because nothing can end a look-up early; it ends by itself and holds nothing.
    asking = threading.Thread(target=ask, name="look-up", daemon=True)
    asking.start()
    asking.join(LOOK_UP_LIMIT_S)
    if asking.is_alive():
        raise CameraAbsentError(
            f"{where.shown}: the name {where.host} could not be looked up in time; check the network"
        )
    if failure:
        raise CameraAbsentError(
            f"{where.shown}: no host of the name {where.host} is known; check the name and the network"
        )


def find_ca_file() -> str | None:
    """The file of certificate authorities that this system trusts, None where there is none."""
    paths = ssl.get_default_verify_paths()
    for path in (paths.cafile, paths.openssl_cafile, "/etc/ssl/certs/ca-certificates.crt"):
        if path and os.path.exists(path):
            return path
    return None


def find_certificate_fault(where: CameraAddress, limit_s: float = 3.0) -> str | None:
    """Why the server's certificate is not trusted, in words, or None where that is not the trouble.

    libav says only that something went wrong; so the handshake is done once more by Python, which knows what.
    """
    if where.scheme not in ("https", "rtsps"):
        return None
    try:
        with socket.create_connection((where.host, where.port), timeout=limit_s) as plain:
            context = ssl.create_default_context(cafile=find_ca_file())
            with context.wrap_socket(plain, server_hostname=where.host):
                return None
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError:
        return None
