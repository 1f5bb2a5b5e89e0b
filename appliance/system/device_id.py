"""Who this device is when the settings do not say: a name that stays with the board, and the number of this boot.

The name must survive a reinstallation, so it comes from the board's serial number, and only where there is none from the
machine id, which cloned SD cards share. Both are hashed: neither is meant to be shown (machine-id(5)), and topics are.
"""

import hashlib
import hmac
import uuid
from pathlib import Path

from appliance.errors import StatePathError
from appliance.system.atomic_files import write_durably
from appliance.system.paths import state_dir

SERIAL_FILES = ("proc/device-tree/serial-number", "sys/firmware/devicetree/base/serial-number")
MACHINE_ID_FILES = ("etc/machine-id", "var/lib/dbus/machine-id")
BOOT_ID_FILE = "proc/sys/kernel/random/boot_id"
KEPT_NAME = "device-id"


def device_id(configured: str | None, state: Path | None = None, root: Path = Path("/")) -> str:
    """The device's id in MQTT topics: as configured, else `pi-` and 8 hex digits that belong to this board.

    Args:
        configured: The setting device.id.
        state: Where a machine that has neither number (a container) keeps a drawn one; None takes the state folder.
        root: Where the system's files are.

    Raises:
        PlacesError: The drawn number cannot be kept.
    """
    if configured:
        return configured
    for name in (*SERIAL_FILES, *MACHINE_ID_FILES):
        if number := _number(root / name):
            return _name(number)
    kept = (state or state_dir()) / KEPT_NAME
    if not (number := _number(kept)):
        number = uuid.uuid4().hex
        try:
            write_durably(kept, number.encode() + b"\n")
        except OSError as error:
            raise StatePathError(
                f"{kept}, the device's number, cannot be written: {error.strerror or error}; give the disk room, or set device.id"
            ) from error
    return _name(number)


def boot_id(root: Path = Path("/")) -> str:
    """The kernel's id of this boot: the same for every process until the power goes, new after it."""
    return _number(root / BOOT_ID_FILE) or uuid.uuid4().hex


def _name(number: str) -> str:
    return "pi-" + hmac.new(b"camera-appliance", number.encode(), hashlib.sha256).hexdigest()[:8]


def _number(file: Path) -> str | None:
    """What a file of one line says; None where it is missing, all zeros, or not yet set."""
    try:
        text = file.read_text(encoding="ascii", errors="replace").strip("\x00 \r\n\t")
    except OSError:
        return None
    return text if text.strip("0-") and text != "uninitialized" else None
