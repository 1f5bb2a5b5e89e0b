"""Protocol and constants shared by all frame sources."""

from typing import Protocol

import numpy as np

# No call into a camera takes longer than this: a read that has no frame by then raises CameraStalledError.
READ_LIMIT_S = 5.0


# Files with these names are pictures; every other file is taken for a video.
PICTURE_SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif", ".heic"]
)


class Camera(Protocol):
    """An open source of pictures.

    Attributes:
        description: What it is, for people: the model, the size, the rate.
        live: Whether time goes on without us (a device, a stream), so that unread frames are lost and the newest
            counts. A recording (pictures, a video file, scenes) waits until it is read.
        dropped: Frames that came and were replaced by a newer one before they were read.
    """

    description: str
    live: bool
    dropped: int

    def read(self) -> np.ndarray:
        """The newest frame that was not read yet, waiting for one if need be: (height, width, 3) uint8 RGB.

        The array is the caller's own: the camera never writes to it again.

        Raises:
            CameraStalledError: No frame within READ_LIMIT_S.
            CameraEndedError: A recording that does not loop has come to its end.
            CameraAbsentError: The source went away.
        """
        ...

    def close(self) -> None:
        """Gives the device or connection back; may be called twice, and after any error."""
        ...
