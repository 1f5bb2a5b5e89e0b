"""What this device has, for the requirements of a signed channel (repository/requirements.py)."""

import contextlib

from appliance.errors import SettingsError
from appliance.repository.requirements import DeviceTraits
from appliance.settings.schema import CameraSettings
from appliance.system.board import Board, read_board
from appliance.system.memory import read_total_memory_mb


def read_traits(frame_size: tuple[int, int] | None = None, board: Board | None = None) -> DeviceTraits:
    """Return what this device has.

    Args:
        frame_size: The size of the camera's frames, (height, width) in pixels; None if the camera adapts to the model.
        board: The board; None reads this machine's.
    """
    board = board or read_board()
    memory_mb = None
    with contextlib.suppress(OSError, ValueError, SettingsError):
        memory_mb = read_total_memory_mb()
    names = [name for name in (board.manufacturer, board.model) if name]
    if len(names) == 2 and names[1].startswith(names[0]):
        del names[0]  # the model of a Raspberry Pi begins with its manufacturer
    return DeviceTraits(frame_size, memory_mb, " ".join(names) or None)


def compute_frame_size(camera: CameraSettings) -> tuple[int, int] | None:
    """Return the part of each frame that is labeled, (height, width) in pixels; None if camera.size is not set."""
    if camera.size is None:
        return None
    width, height = camera.size
    if camera.rotation in (90, 270):
        width, height = height, width
    if camera.region == "square":
        width = height = min(width, height)
    elif camera.region is not None:
        width, height = round(width * camera.region[2]), round(height * camera.region[3])
    return height, width
