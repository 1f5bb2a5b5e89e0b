"""Where frames come from: one protocol, and a module for each kind of source.

A camera is opened by `open_camera`, read and closed by one thread, and never repaired: when it fails it is closed
and a new one is opened (appliance/capture.py does that, with back-off). Modules that pull in a large library
(picamera2, PyAV) are imported only when the settings name such a source.
"""

import re
from pathlib import Path
from typing import Protocol

import numpy as np

from appliance.errors import CameraAbsentError, SettingsError
from appliance.settings import CameraSettings

# No call into a camera takes longer than this: a read that has no frame by then raises CameraStalledError.
READ_LIMIT_S = 5.0
# Files with these names are pictures; every other file is taken for a video.
PICTURE_SUFFIXES = frozenset(".jpg .jpeg .jpe .png .bmp .gif .webp .tif .tiff .ppm .pgm .avif .heic".split())


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


def open_camera(settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    """Opens the source that the settings name.

    Args:
        settings: The camera section.
        wanted_px: (width, height) that is enough for the labeler (and for snapshots, where they are on); a source
            that can scale for nothing, such as a Pi's camera, gives about this size unless `settings.size` says more.

    Raises:
        CameraAbsentError, CameraBusyError, CameraStalledError: It cannot be opened now; trying again may help.
        SettingsError: The source or a control makes no sense whatever is plugged in.
    """
    # Imported where they are used: picamera2 and PyAV take their time, and need not be installed for the others.
    source = settings.source
    if re.fullmatch(r"pi(:\d+)?", source):
        from appliance.camera.pi import open_pi

        return open_pi(settings, wanted_px)
    if source.startswith("pi:"):
        raise SettingsError(f"camera.source {source}: after pi: comes the camera's number, such as pi:0 or pi:1")
    if source == "scene":
        from appliance.camera.scene import SceneCamera

        return SceneCamera(settings)
    if "://" in source or source.startswith("/dev/"):
        from appliance.camera.stream import open_stream

        return open_stream(settings, wanted_px)
    try:
        path = Path(source).expanduser()
    except RuntimeError as error:  # ~name, and there is no such account; or this one has no home
        raise CameraAbsentError(f"camera.source {source}: there is no such home folder; write the path in full") from error
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES:
        from appliance.camera.pictures import PictureCamera

        return PictureCamera(path, settings.loop)
    if not path.exists():
        kinds = "pi, scene, a folder, a picture, a video file, /dev/video0, rtsp://… or http(s)://…"
        raise CameraAbsentError(f"camera.source {source} does not exist; it can be {kinds}")
    if not (path.is_file() or path.is_char_device()):
        raise CameraAbsentError(f"camera.source {source} is neither a file, a folder nor a camera; correct it")
    from appliance.camera.stream import open_stream

    return open_stream(settings, wanted_px)
