"""USB cameras, network cameras and video files, through PyAV.

libav opens them all. They differ in the options, in the meaning of a failure, and in how they are played: devices and
streams live (live.py), files as recordings (playback.py). At an http(s) address (playlists and video files; pictures
are read by appliance/camera/network), a response with a duration or a size is a recording; anything else is live.

Frames are scaled only if `camera.size` is set. Scaling to about the labeler's input size here would save a copy, but
libswscale does not resize in the way that the labeler does (bilinear without antialiasing), so labels would depend on
the source.

Invariants: each call into libav ends within its time limit, or after abort(). libav's own messages, which contain
addresses with passwords, never leave this package, neither in a log nor in an error or its cause.
"""

import contextlib
import logging
from pathlib import Path

import av
import av.logging

from appliance.camera.network.client import camera_trust
from appliance.camera.silence import FIRST_LIMIT_S
from appliance.camera.source import READ_LIMIT_S, Camera
from appliance.camera.stream.address import parse_address, read_login, resolve_host
from appliance.camera.stream.errors import (
    UnsupportedOptionsError,
    convert_address_error,
    convert_device_error,
    convert_file_error,
)
from appliance.camera.stream.libav_input import LibavInput
from appliance.camera.stream.live import LiveCamera
from appliance.camera.stream.playback import RecordedCamera
from appliance.camera.stream.rtsp_relay import RtspRelay
from appliance.camera.stream.v4l2 import is_device, list_capture_options
from appliance.errors import CameraAbsentError, CameraError
from appliance.settings.schema import CameraSettings
from appliance.transport.login import Login
from appliance.transport.trust import find_authorities_file

DEVICE_LIMITS_S = (1.5, 2.4)  # libav busy-waits while a non-blocking device has no frame yet
HTTP_LIMITS_S = (8.0, 20.0)  # a segment of a playlist lasts up to 10 s
# The relay notices a camera that does not answer, and live.py a silent one; both end libav's calls.
RTSP_LIMITS_S = (FIRST_LIMIT_S, None)

# A live stream is probed briefly, because its frame rate need not be measured.
LIVE_OPTIONS = {"fpsprobesize": "0", "analyzeduration": "3000000"}
# A blocking read of a device could not be interrupted. 4 is AVFMT_FLAG_NONBLOCK, for which there is no option name.
DEVICE_OPTIONS = {**LIVE_OPTIONS, "fflags": "+4"}
HTTP_OPTIONS = {**LIVE_OPTIONS, "user_agent": "camera-appliance"}
RTSP_OPTIONS = {
    **LIVE_OPTIONS,
    "rtsp_flags": "prefer_tcp",  # UDP only if the server refuses TCP
    "allowed_media_types": "video",
    "reorder_queue_size": "32",  # without a queue, libav does not report lost packets over TCP
}


def open_stream(settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    """Open `/dev/videoN`, an rtsp address, a playlist or video at an http(s) address, or a video file.

    Args:
        settings: The camera section.
        wanted_px: (width, height) that is sufficient; requested from devices only.

    Raises:
        CameraAbsentError, CameraBusyError, CameraStalledError: It cannot be opened now.
        SettingsError: The password file or the file of authorities cannot be used.
    """
    _capture_messages()
    if settings.source.startswith("rtsp"):
        return _open_rtsp(settings)
    if "://" in settings.source:
        return _open_http(settings)
    path = Path(settings.source).expanduser()
    if is_device(path):
        return _open_device(path, settings, wanted_px)
    return _open_file(path, settings)


def _capture_messages() -> None:
    """Let only packets.py and decoding.py read libav's messages."""
    logger = logging.getLogger("libav")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    av.logging.set_level(av.logging.WARNING)
    av.logging.set_skip_repeated(False)


def _open_file(path: Path, settings: CameraSettings) -> Camera:
    def convert(error: Exception, opening: bool) -> CameraError:
        return convert_file_error(error, path, opening)

    def reopen() -> LibavInput:
        # "file:" keeps libav from parsing a name with a colon as an address.
        source = LibavInput(f"file:{path}", {}, str(path), convert, size=settings.size)
        source.open()
        return source

    return RecordedCamera(reopen(), reopen, settings.fps, settings.loop)


def _open_device(path: Path, settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    def convert(error: Exception, opening: bool) -> CameraError:
        return convert_device_error(error, path, opening)

    def attempt(requested: dict[str, str]) -> Camera:
        options = {**DEVICE_OPTIONS, **requested}
        source = LibavInput(str(path), options, str(path), convert, container_format="v4l2", limits_s=DEVICE_LIMITS_S)
        return LiveCamera(source, settings.fps, first_limit_s=READ_LIMIT_S)

    *preferred, last = list_capture_options(settings, wanted_px)
    for requested in preferred:
        with contextlib.suppress(UnsupportedOptionsError):
            return attempt(requested)
    return attempt(last)


def _open_rtsp(settings: CameraSettings) -> Camera:
    address = parse_address(settings)
    login = read_login(settings)

    def convert(error: Exception, opening: bool) -> CameraError:
        return convert_address_error(error, address, opening)

    def connect() -> RtspRelay:
        client = Login(*login) if login else None
        return RtspRelay(address, settings.source, client, camera_trust(settings), fps=settings.fps)

    resolve_host(address)
    options = dict(RTSP_OPTIONS)
    source = LibavInput(
        "", options, address.display_url, convert, size=settings.size, limits_s=RTSP_LIMITS_S, connect=connect
    )
    return LiveCamera(source, settings.fps)


def _open_http(settings: CameraSettings) -> Camera:
    address = parse_address(settings)

    def convert(error: Exception, opening: bool) -> CameraError:
        return convert_address_error(error, address, opening)

    resolve_host(address)
    options = dict(HTTP_OPTIONS)
    if address.scheme == "https":
        if settings.tls_fingerprint:
            raise CameraAbsentError(
                f"{address.display_url} is a playlist or a video file, for which camera.tls_fingerprint does not work;"
                " use camera.ca_file instead"
            )
        options |= {"tls_verify": "1", "ca_file": find_authorities_file(camera_trust(settings))}

    def reopen() -> LibavInput:
        source = LibavInput(
            address.url,
            options,
            address.display_url,
            convert,
            size=settings.size,
            limits_s=HTTP_LIMITS_S,
        )
        source.open()
        return source

    source = reopen()
    if source.has_end:
        return RecordedCamera(source, reopen, settings.fps, settings.loop)
    return LiveCamera(source, settings.fps, loop=settings.loop)
