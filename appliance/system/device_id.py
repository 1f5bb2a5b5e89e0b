"""The id of this device if the settings do not define one, and the id of the current boot.

The device id must survive reinstallation, so it is derived from the board's serial number. Only if there is none, it is
derived from the machine id, which cloned SD cards share. Both are hashed, because neither is meant to be published
(machine-id(5)) and topics are public.
"""

import hashlib
import hmac
import logging
import uuid
from pathlib import Path

from appliance.errors import StatePathError, describe_os_error
from appliance.system.atomic_files import write_durably
from appliance.system.paths import ensure_state_dir, find_state_dir
from appliance.system.regular_files import read_regular_file

log = logging.getLogger("appliance")

SERIAL_FILES = ("proc/device-tree/serial-number", "sys/firmware/devicetree/base/serial-number")
MACHINE_ID_FILES = ("etc/machine-id", "var/lib/dbus/machine-id")
BOOT_ID_FILE = "proc/sys/kernel/random/boot_id"
FILE_NAME = "device-id"
_MAX_NUMBER_BYTES = 4096

# Used if the kernel provides no boot id: it is new in each process, so no data from an earlier boot is trusted.
_PROCESS_ID = uuid.uuid4().hex


def resolve_device_id(configured: str | None, state: Path | None = None, root: Path = Path("/")) -> str:
    """Return the device's id in MQTT topics: the configured id, or else one derived from this board.

    The derived id is `pi-` and 8 hex digits.

    Args:
        configured: The setting device.id.
        state: The folder for a random number, used if the machine has neither a serial number nor an id (for example
            in a container); None uses the state folder.
        root: The root of the file system.

    Raises:
        StatePathError: This account may not read the state folder; only without `state`.
    """
    if configured:
        return configured
    for name in (*SERIAL_FILES, *MACHINE_ID_FILES):
        if number := _read_number(root / name):
            return _derive_id(number)
    file = (state or _find_state_dir()) / FILE_NAME
    number = _read_number(file)
    if not number:
        number = uuid.uuid4().hex
        try:
            write_durably(file, number.encode() + b"\n")
        except OSError as error:
            # The same until the machine is restarted, so that a restart of the program does not change the topics.
            number = boot_id(root)
            log.warning(
                "the device's number cannot be written to %s (%s), so the device is %s until the machine restarts;"
                " give the service write access there, or set device.id",
                file,
                describe_os_error(error),
                _derive_id(number),
            )
    return _derive_id(number)


def boot_id(root: Path = Path("/")) -> str:
    """Return the kernel's id of this boot: the same for all processes, and new after each reboot.

    If the kernel provides no id, each process gets a different one.
    """
    return _read_number(root / BOOT_ID_FILE) or _PROCESS_ID


def _find_state_dir() -> Path:
    try:
        return ensure_state_dir()
    except StatePathError:  # a read-only card, from which the number can still be read
        return find_state_dir()


def _derive_id(number: str) -> str:
    return "pi-" + hmac.new(b"camera-appliance", number.encode(), hashlib.sha256).hexdigest()[:8]


def _read_number(file: Path) -> str | None:
    """Return the content of a one-line file, or None if it is missing, all zeros, or not set yet."""
    try:
        text = read_regular_file(file, _MAX_NUMBER_BYTES).decode("ascii", "replace").strip("\x00 \r\n\t")
    except OSError:
        return None
    return text if text.strip("0-") and text != "uninitialized" else None
