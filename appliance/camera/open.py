"""Where frames come from: one protocol, and a module for each kind of source.

A camera is opened by `open_camera`, read and closed by one thread, and never repaired: when it fails it is closed
and a new one is opened (appliance/camera/capture.py does that, with back-off). Modules that pull in a large library
(picamera2, PyAV) are imported only when the settings name such a source.
"""

import re
from pathlib import Path

from appliance.camera.source import PICTURE_SUFFIXES, Camera
from appliance.errors import CameraAbsentError, SettingsError
from appliance.settings.schema import CameraSettings


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
        from appliance.camera.pi.camera import open_pi

        return open_pi(settings, wanted_px)
    if source.startswith("pi:"):
        raise SettingsError(f"camera.source {source}: after pi: comes the camera's number, such as pi:0 or pi:1")
    if source == "scene":
        from appliance.camera.scene.camera import SceneCamera

        return SceneCamera(settings)
    if "://" in source or source.startswith("/dev/"):
        from appliance.camera.stream.input import open_stream

        return open_stream(settings, wanted_px)
    try:
        path = Path(source).expanduser()
    except RuntimeError as error:  # ~name, and there is no such account; or this one has no home
        raise CameraAbsentError(
            f"camera.source {source}: there is no such home folder; write the path in full"
        ) from error
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES:
        from appliance.camera.pictures import PictureCamera

        return PictureCamera(path, settings.loop)
    if not path.exists():
        kinds = "pi, scene, a folder, a picture, a video file, /dev/video0, rtsp://… or http(s)://…"
        raise CameraAbsentError(f"camera.source {source} does not exist; it can be {kinds}")
    if not (path.is_file() or path.is_char_device()):
        raise CameraAbsentError(f"camera.source {source} is neither a file, a folder nor a camera; correct it")
    from appliance.camera.stream.input import open_stream

    return open_stream(settings, wanted_px)
