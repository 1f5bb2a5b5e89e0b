"""What systemd and a service say to each other: readiness, the watchdog, credentials.

The protocol is sd_notify(3)'s: datagrams on the socket that NOTIFY_SOCKET names. Without that variable (in a
terminal) nothing is sent and nothing is missed.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from appliance.settings import Settings

log = logging.getLogger(__name__)

# LoadCredential=secrets:FOLDER gives each file of the folder the name secrets_FILE (systemd.exec(5)).
_CREDENTIAL_PREFIX = "secrets_"
# Readable by root alone: the service gets copies from systemd, and a command that root runs reads them here.
CREDENTIALS = Path("/etc/appliance/credentials")


class Notifier:
    """Tells systemd how the service is doing."""

    def __init__(self, environ: Mapping[str, str] = os.environ):
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # an abstract socket
            self._address = "\0" + self._address[1:]
        self.watchdog_s = _watchdog_s(environ)

    def ready(self, status: str) -> None:
        """Start-up is done; `status` is shown by `systemctl status`."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={status}")

    def alive(self) -> None:
        """Feeds the watchdog."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """The settings are being read again; `ready` ends that."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The service begins to stop."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.sendto(message.encode(), self._address)
        except OSError as error:
            log.debug("systemd could not be told %r: %s", message, error)


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Seconds after which systemd ends a silent service, or None where it does not watch this process."""
    if environ.get("WATCHDOG_PID") not in (None, str(os.getpid())):
        return None
    try:
        return int(environ["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError):
        return None


def is_managed(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether systemd started this process and will start it again."""
    return "NOTIFY_SOCKET" in environ


def credential(name: str, environ: Mapping[str, str] = os.environ, folder: Path = CREDENTIALS) -> Path | None:
    """The file of the credential that was put as `name` into /etc/appliance/credentials, or None."""
    given = environ.get("CREDENTIALS_DIRECTORY")
    path = Path(given, _CREDENTIAL_PREFIX + name) if given else folder / name
    return path if os.access(path, os.R_OK) else None


def with_credentials(settings: Settings, environ: Mapping[str, str] = os.environ, folder: Path = CREDENTIALS) -> Settings:
    """The settings, with systemd's credentials in place of the files in /etc/appliance/credentials.

    An account that names no password file takes `mqtt_password` and `camera_password` from there. A setting that names a
    file in that folder, which the service itself cannot read, gets the copy that systemd handed over.
    """
    mqtt, camera = settings.mqtt, settings.camera
    if mqtt.username and not mqtt.password_file:
        mqtt = replace(mqtt, password_file=credential("mqtt_password", environ, folder))
    if camera.username and not camera.password_file:
        camera = replace(camera, password_file=credential("camera_password", environ, folder))
    return replace(settings, mqtt=_handed_over(mqtt, environ, folder), camera=_handed_over(camera, environ, folder))


def _handed_over(section: Any, environ: Mapping[str, str], folder: Path) -> Any:
    """A section of the settings, with each file of the folder replaced by its copy where there is one."""
    copies = {}
    for field in fields(section):
        file = getattr(section, field.name)
        if isinstance(file, Path) and file.parent == folder and (copy := credential(file.name, environ, folder)):
            copies[field.name] = copy
    return replace(section, **copies)
