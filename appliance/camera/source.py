"""Protocol, states and constants shared by all frame sources."""

from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np

from appliance.errors import CameraBusyError, CameraEndedError, CameraError, CameraStalledError

# No read takes longer: if no frame has arrived by then, it returns None, or raises CameraStalledError.
READ_LIMIT_S = 5.0


# Files with these suffixes are pictures; every other file is treated as a video.
PICTURE_SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif", ".heic"]
)


def describe_missing_path(path: Path) -> str:
    """Return the error for a path that does not exist, the same while opening and reading, so it is logged once."""
    return f"camera.source {path} does not exist; check the path"


class CameraState(StrEnum):
    """State of the camera, as published on the topic stats and shown by `appliance check`."""

    OPENING = "opening"
    STREAMING = "streaming"
    ABSENT = "absent"
    BUSY = "busy"
    STALLED = "stalled"
    ENDED = "ended"
    OFF = "off"

    @staticmethod
    def from_error(error: CameraError) -> "CameraState":
        """Return the state that results from a camera error: `absent` unless its class is more specific."""
        if isinstance(error, CameraBusyError):
            return CameraState.BUSY
        if isinstance(error, CameraStalledError):
            return CameraState.STALLED
        if isinstance(error, CameraEndedError):
            return CameraState.ENDED
        return CameraState.ABSENT


class Camera(Protocol):
    """An open frame source.

    Attributes:
        description: Model, size and rate, for display, as far as they are known.
        live: Whether frames arrive independently of reads (a device, a stream), so that unread frames are lost and only
            the newest counts. A recording (pictures, a video file, scenes) waits until it is read.
    """

    live: bool

    @property
    def description(self) -> str:
        """See above."""
        ...

    @property
    def dropped(self) -> int:
        """Number of frames that a newer frame replaced before they were read."""
        ...

    @property
    def damaged(self) -> int:
        """Number of frames that were not given out because they were damaged, or depend on damaged ones."""
        ...

    def read(self) -> np.ndarray | None:
        """Return the newest unread frame, (height, width, 3) uint8 RGB; wait for one if necessary.

        The array belongs to the caller: the camera never writes to it again. None means that no frame arrived within
        READ_LIMIT_S although nothing is wrong, because this source is slow; call again.

        Raises:
            CameraStalledError: The source is silent for longer than its own rate explains.
            CameraEndedError: A recording that does not loop has ended.
            CameraAbsentError: The source disappeared.
        """
        ...

    def close(self) -> None:
        """Release the device or connection; may be called twice and after any error."""
        ...
