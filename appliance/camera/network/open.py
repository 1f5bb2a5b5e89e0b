"""Open a camera at an http(s) address; what it answers determines the kind of source.

A multipart response is an MJPEG stream, a picture is a snapshot, and everything else (a playlist, a video file) is left
to libav. A page or a text is refused, with its type.
"""

import time

from appliance.camera.network.camera import NetworkPictureCamera
from appliance.camera.network.client import CameraClient, OpenResponse, RefusedRequestError
from appliance.camera.network.opening import OpeningCamera
from appliance.camera.network.picture_scanner import has_picture_start
from appliance.camera.network.sources import FIRST_SNAPSHOT_LIMIT_S, MjpegSource, PictureSource, SnapshotSource
from appliance.camera.source import READ_LIMIT_S, Camera
from appliance.camera.stream.address import resolve_host
from appliance.camera.stream.picture_decoder import PictureDecoder
from appliance.errors import CameraAbsentError, CameraBusyError, CameraError
from appliance.imaging.files import detect_picture_format
from appliance.settings.schema import CameraSettings

MAX_ATTEMPTS = 3  # to open a camera that answers some requests with an error
ATTEMPTS_LIMIT_S = 3.0
PAUSE_S = 0.2
_SNIFFED_BYTES = 512
_PAGES = ("text/html", "text/plain", "text/xml", "application/json", "application/xml", "application/xhtml+xml")


def open_network(settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    """Open an MJPEG stream, a snapshot address, a playlist or a video file at an http(s) address.

    Args:
        settings: The camera section.
        wanted_px: (width, height) that is sufficient; see open_camera.

    Raises:
        CameraAbsentError, CameraBusyError, CameraStalledError: It cannot be opened now. If the first response takes
            longer than READ_LIMIT_S, the errors are raised by read() instead.
        SettingsError: The password file or the file of authorities cannot be used.
    """
    client = CameraClient(settings)
    opening = OpeningCamera(
        lambda: _open_response(client, settings, wanted_px), client.abort, client.address.display_url
    )
    return opening.wait(READ_LIMIT_S) or opening


def _open_response(client: CameraClient, settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    """Request the address and open what it returns."""
    resolve_host(client.address)
    try:
        response = _request(client)
        # The first picture of a stream may take longer than a response, so its beginning is not awaited here.
        begin = b"" if response.content_type.startswith("multipart/") else _read_beginning(response)
        source = _choose_source(client, response, begin)
    except BaseException:
        client.abort()
        raise
    if source is not None:
        return NetworkPictureCamera(source, PictureDecoder(settings.size), settings.fps)
    client.abort()
    response.close()
    from appliance.camera.stream.input import open_stream

    return open_stream(settings, wanted_px)


def _request(client: CameraClient) -> OpenResponse:
    """Return the first successful response; repeat a request that failed for a passing reason."""
    until_s = time.monotonic() + ATTEMPTS_LIMIT_S
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            return client.request(FIRST_SNAPSHOT_LIMIT_S)
        except (RefusedRequestError, CameraBusyError):
            raise
        except CameraError:
            if attempt == MAX_ATTEMPTS or time.monotonic() >= until_s:
                raise
        time.sleep(PAUSE_S)
    raise AssertionError("unreachable")


def _read_beginning(response: OpenResponse) -> bytes:
    begin = b""
    while len(begin) < _SNIFFED_BYTES and (chunk := next(response.chunks, b"")):
        begin += chunk
        if detect_picture_format(begin[:16]):
            break
    return begin


def _choose_source(client: CameraClient, response: OpenResponse, begin: bytes) -> PictureSource | None:
    """Return the source for a response; None if libav is to open it.

    Raises:
        CameraAbsentError: The response cannot contain pictures.
    """
    kind = response.content_type
    is_picture = detect_picture_format(begin[:16]) is not None
    is_boundary = begin.lstrip().startswith(b"--")
    is_multipart = is_boundary and (b"content-type" in begin.lower() or has_picture_start(begin))
    if kind.startswith("multipart/") or is_multipart or (is_picture and kind.startswith("video/")):
        return MjpegSource(client, response, begin)
    if is_picture:
        return SnapshotSource(client, response, begin)
    if not begin and not kind.startswith("multipart/"):
        raise CameraAbsentError(
            f"{client.address.display_url} sends an empty response; check the path in camera.source"
        )
    is_playlist = begin.lstrip().startswith((b"#EXTM3U", b"<?xml", b"<MPD"))
    if (kind in _PAGES and not is_playlist) or begin.lstrip()[:15].lower().startswith((b"<!doctype", b"<html")):
        raise CameraAbsentError(
            f"{client.address.display_url} answers with a page ({kind or 'text/html'}), but not with a stream, a video"
            " or a picture; check the path in camera.source"
        )
    return None
