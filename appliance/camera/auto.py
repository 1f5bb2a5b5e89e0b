"""Choose the camera for `camera.source = "auto"`: the Pi's own camera, or else the first USB camera.

The choice is made again each time the camera is opened, so a camera that is connected later is found without a restart.
"""

import dataclasses
from pathlib import Path

from appliance.camera.source import Camera
from appliance.errors import CameraAbsentError
from appliance.settings.schema import CameraSettings

SYSTEM_DEVICES = Path("/sys/class/video4linux")
BOARD_MODEL = Path("/proc/device-tree/model")


def open_auto(
    settings: CameraSettings, wanted_px: tuple[int, int], system_devices: Path = SYSTEM_DEVICES, devices: str = "/dev"
) -> Camera:
    """Open the Pi's camera, or the first USB camera if there is no Pi camera.

    Args:
        settings: The camera section.
        wanted_px: (width, height) that is sufficient; see open_camera.
        system_devices: The folder in which the kernel lists video devices.
        devices: The folder of the device files.

    Raises:
        CameraAbsentError: There is neither a Pi camera nor a USB camera.
        CameraBusyError, CameraStalledError: The camera cannot be opened now.
        SettingsError: A control is invalid for the Pi's camera.
    """
    from appliance.camera.pi.camera import open_pi

    try:
        return open_pi(dataclasses.replace(settings, source="pi"), wanted_px)
    except CameraAbsentError as error:
        reason = str(error)
    names = list_usb_cameras(system_devices)
    if not names:
        remedy = "connect a camera, or set camera.source to a network camera's address"
        if not is_raspberry_pi():
            raise CameraAbsentError(f"no USB camera was found; {remedy}")
        raise CameraAbsentError(f"no USB camera was found, and the Pi's camera cannot be used ({reason}); {remedy}")
    from appliance.camera.stream.input import open_stream

    return open_stream(dataclasses.replace(settings, source=f"{devices}/{names[0]}"), wanted_px)


def list_usb_cameras(system_devices: Path = SYSTEM_DEVICES) -> list[str]:
    """Return the names of the USB cameras' video devices, such as video0, in numeric order.

    A camera's second device (index 1), which carries metadata instead of pictures, and the Pi's codecs and image
    processor, which are not on USB, are omitted.
    """
    try:
        entries = [entry for entry in system_devices.iterdir() if entry.name.startswith("video")]
    except OSError:
        return []
    entries.sort(key=lambda entry: (len(entry.name), entry.name))
    return [entry.name for entry in entries if _is_usb_camera(entry)]


def is_raspberry_pi(board_model: Path = BOARD_MODEL) -> bool:
    """Return whether this board is a Raspberry Pi, so that advice about its camera applies."""
    try:
        return board_model.read_bytes().startswith(b"Raspberry Pi")
    except OSError:
        return False


def _is_usb_camera(entry: Path) -> bool:
    try:
        subsystem = (entry / "device" / "subsystem").resolve().name
        index = (entry / "index").read_text(encoding="ascii").strip()
    except (OSError, RuntimeError, UnicodeDecodeError):
        return False
    return subsystem == "usb" and index == "0"
