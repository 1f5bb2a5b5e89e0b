"""Open the frame source in the settings.

A single thread opens a camera with `open_camera`, reads it and closes it. A camera is never repaired: after an error it
is closed and opened again (by appliance/camera/capture.py, with back-off). Modules that import a large library
(picamera2, PyAV) are loaded only if the source needs them.
"""

import re
from pathlib import Path

from appliance.camera.source import PICTURE_SUFFIXES, Camera, describe_missing_path
from appliance.errors import CameraAbsentError, SettingsError, describe_os_error
from appliance.settings.schema import CameraSettings


def open_camera(settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    """Open the source in the settings.

    Args:
        settings: The camera section.
        wanted_px: (width, height) that is sufficient for the labeler (and for snapshots, if enabled). A source that
            scales at no cost, such as a Pi camera, delivers about this size unless `settings.size` is set.

    Raises:
        CameraAbsentError, CameraBusyError, CameraStalledError: The source cannot be opened now; a later attempt may
            succeed.
        SettingsError: The source or a control is invalid, so no later attempt can succeed.
    """
    source = settings.source
    if source == "auto":
        from appliance.camera.auto import open_auto

        return open_auto(settings, wanted_px)
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
    if source.startswith(("http://", "https://")):
        from appliance.camera.network.open import open_network

        return open_network(settings, wanted_px)
    if "://" in source or source.startswith("/dev/"):
        from appliance.camera.stream.input import open_stream

        return open_stream(settings, wanted_px)
    return _open_path(settings, wanted_px)


def _open_path(settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    source = settings.source
    try:
        path = Path(source).expanduser()
    except RuntimeError as error:  # ~name for an unknown account, or an account without a home folder
        raise CameraAbsentError(
            f"camera.source {source}: this home folder does not exist; write the full path"
        ) from error
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except OSError as error:  # below a folder that is closed to this account
        raise CameraAbsentError(
            f"camera.source {source} cannot be read: {describe_os_error(error)}; allow this account to read it and "
            "every folder above it"
        ) from error
    if is_folder or path.suffix.lower() in PICTURE_SUFFIXES:
        from appliance.camera.folder import FollowedFolder
        from appliance.camera.pictures import PictureCamera

        if path.is_dir() and not settings.loop:
            return FollowedFolder(path)
        return PictureCamera(path, settings.loop)
    if not exists and len(path.parts) > 1:
        raise CameraAbsentError(describe_missing_path(path))
    if not exists:
        choices = "auto, pi, scene, a folder, a picture, a video file, /dev/video0, rtsp://… or http(s)://…"
        raise CameraAbsentError(f"camera.source {source} does not exist; it can be {choices}")
    if not (path.is_file() or path.is_char_device()):
        raise CameraAbsentError(f"camera.source {source} is not a file, a folder or a camera; correct the path")
    from appliance.camera.stream.input import open_stream

    return open_stream(settings, wanted_px)
