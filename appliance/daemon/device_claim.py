"""Refuse a second daemon on this machine that would publish under the id of the first one.

The default device id is derived from the board, so all daemons on a machine have the same one unless the settings give
an id. Two daemons with one id throw each other off the broker and write the same topics. A daemon with the default id
therefore holds an abstract Unix socket (unix(7)), which the kernel releases when the process ends.
"""

import hashlib
import logging
import os
import re
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

from appliance.errors import SettingsError
from appliance.settings.schema import Settings
from appliance.system.device_id import resolve_device_id
from appliance.system.paths import SYSTEM_STATE

log = logging.getLogger("appliance.daemon")

# pid, uid and gid of the process that holds the socket (SO_PEERCRED, unix(7)).
_CREDENTIALS = struct.Struct("3i")
_WAIT_S = 2.0


def claim_device_id(settings: Settings, environ: Mapping[str, str] = os.environ) -> socket.socket | None:
    """Claim the default device id on this machine for as long as the returned socket is open.

    Args:
        settings: The settings; with a device id of their own, nothing is claimed.
        environ: Contains RUNTIME_DIRECTORY if systemd started this process.

    Returns:
        The socket; None if the settings give an id, or the id cannot be claimed for another reason than a daemon.

    Raises:
        SettingsError: A daemon for a further camera has no device id of its own, or another daemon uses the default id.
    """
    if settings.device.id:
        return None
    file = settings.path or "the settings"
    if name := find_instance(environ):
        raise SettingsError(
            f"{file}: device.id is missing, and the default id belongs to appliance.service; give appliance@{name} "
            f'an id of its own: [device] with id = "{_suggest_id(name)}"'
        )
    device = resolve_device_id(None)
    mqtt = settings.mqtt
    place = hashlib.sha256(f"{mqtt.host}:{mqtt.port}/{mqtt.base_topic}/{device}".encode()).hexdigest()[:32]
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0camera-appliance-{place}")
        claim.listen()
    except OSError as error:
        claim.close()
        if pid := _find_holder(place):
            raise SettingsError(
                f"{file}: device.id is missing, and another appliance on this machine (process {pid}) uses the default "
                f'id {device}; give this one an id of its own: [device] with id = "{device}-2"'
            ) from None
        log.debug("the device id cannot be claimed: %s", error)
        return None
    return claim


def find_instance(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return NAME if systemd started this process as appliance@NAME, else None."""
    match = re.fullmatch(r"appliance-(.+)", Path(environ.get("RUNTIME_DIRECTORY", "").split(":")[0]).name)
    return match[1] if match and "NOTIFY_SOCKET" in environ else None


def _suggest_id(name: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "-", name.lower())[:32] or "camera-2"


def _find_holder(place: str) -> int | None:
    """Return the process that holds the socket; None if it belongs to an account that runs no appliance.

    Any account may take the name, which must not keep the service from starting.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_WAIT_S)
            connection.connect(f"\0camera-appliance-{place}")
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return None
    pid, uid, _ = _CREDENTIALS.unpack(credentials)
    trusted = {0, os.geteuid()}
    if SYSTEM_STATE.exists():
        trusted.add(SYSTEM_STATE.stat().st_uid)
    return int(pid) if uid in trusted else None
