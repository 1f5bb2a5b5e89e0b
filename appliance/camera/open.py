"""Open the frame source that the settings name.

A camera is opened by `open_camera`, read and closed by one thread, and never repaired: after an error it is closed
and a new one is opened (appliance/camera/capture.py does that, with back-off). Modules that import a large library
(picamera2, PyAV) are loaded only if the settings name such a source.
"""

import re
from pathlib import Path

from appliance.camera.source import PICTURE_SUFFIXES, Camera
from appliance.errors import CameraAbsentError, SettingsError
from appliance.settings.schema import CameraSettings


def open_camera(settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    """Open the source that the settings name.

    Args:
        settings: The camera section.
        wanted_px: (width, height) that is sufficient for the labeler (and for snapshots, if enabled). A source that
            scales at no cost, such as a Pi camera, delivers about this size unless `settings.size` is set.

    Raises:
        CameraAbsentError, CameraBusyError, CameraStalledError: The source cannot be opened now; a later attempt may
            succeed.
        SettingsError: The source or a control is invalid for any hardware.
    """
    source = settings.source
    if re.fullmatch(r"pi(:\d+)?", source):
        from appliance.camera.pi.camera import open_pi

        return open_pi(settings, wanted_px)
    if source.startswith("pi:"):
        raise SettingsError(
            f"camera.source {source}: pi: must be followed by the camera's number, such as pi:0 or pi:1"
        )
    if source == "scene":
        from appliance.camera.scene.camera import SceneCamera

        return SceneCamera(settings)
    if "://" in source or source.startswith("/dev/"):
        from appliance.camera.stream.input import open_stream

        return open_stream(settings, wanted_px)
    return _open_path(settings, wanted_px)


def _open_path(settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    source = settings.source
    try:
        path = Path(source).expanduser()
    except RuntimeError as error:  # ~name without such an account, or an account without a home
        raise CameraAbsentError(
            f"camera.source {source}: this home folder does not exist; write the path in full"
        ) from error
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES:
        from appliance.camera.pictures import PictureCamera

        return PictureCamera(path, settings.loop)
    if not path.exists():
        choices = "pi, scene, a folder, a picture, a video file, /dev/video0, rtsp://… or http(s)://…"
        raise CameraAbsentError(f"camera.source {source} does not exist; it can be {choices}")
    if not (path.is_file() or path.is_char_device()):
        raise CameraAbsentError(f"camera.source {source} is neither a file, a folder nor a camera; correct it")
    from appliance.camera.stream.input import open_stream

    return open_stream(settings, wanted_px)
