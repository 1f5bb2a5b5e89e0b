"""What systemd and a service say to each other: readiness, the watchdog, credentials.

The protocol is sd_notify(3)'s: datagrams on the socket that NOTIFY_SOCKET names. Without that variable (in a
terminal) nothing is sent and nothing is missed.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)


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
