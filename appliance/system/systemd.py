"""Messages from the service to systemd: readiness, the watchdog, reload and stop.

The protocol is sd_notify(3): datagrams to the socket in NOTIFY_SOCKET. If that variable is not set (in a terminal),
nothing is sent.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping

from appliance.system.foreign_text import clean_text

log = logging.getLogger("appliance")

# systemd refuses datagrams larger than its buffer (PIPE_BUF bytes); a status contains names of models and errors.
_MAX_STATUS = 500


class Notifier:
    """Sends the state of the service to systemd."""

    def __init__(self, environ: Mapping[str, str] = os.environ):
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # an abstract socket
            self._address = "\0" + self._address[1:]

    def notify_ready(self, status: str) -> None:
        """Report that start-up or a reload is complete; `systemctl status` shows `status`.

        Each line of a datagram is a message of its own, so the status is reduced to one line.
        """
        self._send(f"READY=1\nSTATUS={clean_text(status, _MAX_STATUS)}")

    def feed_watchdog(self) -> None:
        """Report that the service is alive."""
        self._send("WATCHDOG=1")

    def notify_reloading(self) -> None:
        """Report that the settings are being reloaded; `notify_ready` reports that the reload is complete."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def notify_stopping(self) -> None:
        """Report that the service is stopping."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.sendto(message.encode(), self._address)
        except OSError as error:
            log.debug("systemd did not receive %r: %s", message, error)


def is_managed(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether systemd started this process and will restart it."""
    return "NOTIFY_SOCKET" in environ


def is_system_service(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the system's own manager started this process, not a user's manager or a container's."""
    return environ.get("NOTIFY_SOCKET", "").startswith("/run/systemd/")
