"""The identity of this device when the settings give none, and the identity of this boot.

The device id must survive a reinstallation, so it comes from the board's serial number, and from the machine id, which
cloned SD cards share, only if there is no serial number. Both are hashed: neither is meant to be published
(machine-id(5)), and topics are public.
"""

import hashlib
import hmac
import uuid
from pathlib import Path

from appliance.errors import StatePathError, describe_os_error
from appliance.system.atomic_files import write_durably
from appliance.system.paths import ensure_state_dir

SERIAL_FILES = ("proc/device-tree/serial-number", "sys/firmware/devicetree/base/serial-number")
MACHINE_ID_FILES = ("etc/machine-id", "var/lib/dbus/machine-id")
BOOT_ID_FILE = "proc/sys/kernel/random/boot_id"
FILE_NAME = "device-id"

# Replaces a missing boot id of the kernel: it changes more often than the boot, so nothing of an earlier boot is
# trusted.
_PROCESS_ID = uuid.uuid4().hex


def resolve_device_id(configured: str | None, state: Path | None = None, root: Path = Path("/")) -> str:
    """Return the device's id in MQTT topics: the configured one, else one derived from this board.

    The derived id is `pi-` and 8 hex digits.

    Args:
        configured: The setting device.id.
        state: The folder for a random number, used if the machine has no number of its own (a container); None takes
            the state folder.
        root: The root of the file system.

    Raises:
        StatePathError: The random number cannot be stored.
    """
    if configured:
        return configured
    for name in (*SERIAL_FILES, *MACHINE_ID_FILES):
        if number := _read_number(root / name):
            return _derive_id(number)
    file = (state or ensure_state_dir()) / FILE_NAME
    number = _read_number(file)
    if not number:
        number = uuid.uuid4().hex
        try:
            write_durably(file, number.encode() + b"\n")
        except OSError as error:
            reason = describe_os_error(error)
            raise StatePathError(
                f"{file}, the device's number, cannot be written: {reason}; free disk space, or set device.id"
            ) from error
    return _derive_id(number)


def boot_id(root: Path = Path("/")) -> str:
    """Return the kernel's id of this boot: the same for every process until the power goes, new after it.

    Without the kernel's id, each process has an id of its own.
    """
    return _read_number(root / BOOT_ID_FILE) or _PROCESS_ID


def _derive_id(number: str) -> str:
    return "pi-" + hmac.new(b"camera-appliance", number.encode(), hashlib.sha256).hexdigest()[:8]


def _read_number(file: Path) -> str | None:
    """Return the content of a file of one line; None if it is missing, all zeros, or not set yet."""
    try:
        text = file.read_text(encoding="ascii", errors="replace").strip("\x00 \r\n\t")
    except OSError:
        return None
    return text if text.strip("0-") and text != "uninitialized" else None
