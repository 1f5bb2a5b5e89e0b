"""USB cameras, network cameras and video files, through PyAV; only this module imports it.

libav opens them all. They differ in the options, in the meaning of a failure, and in how they are played: devices and
streams live, files as recordings (playback.py). For an http(s) address, the response determines the kind of source: a
single picture is a snapshot, fetched again for each read; a response with a duration is a recording; anything else is a
live stream.

Frames are scaled only if `camera.size` is set. Scaling to about the labeler's input size here would save a copy, but
libswscale does not resize in the way that the labeler does (bilinear without antialiasing), so labels would depend on
the source.

Invariants: each call into libav ends within its time limit. libav's own messages, which contain addresses with
passwords, never leave this module, neither in a log nor in an error or its cause.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter

from appliance.camera.source import READ_LIMIT_S, Camera
from appliance.camera.stream.address import find_ca_file, parse_address, resolve_host
from appliance.camera.stream.errors import (
    UnsupportedOptionsError,
    convert_address_error,
    convert_device_error,
    convert_file_error,
)
from appliance.camera.stream.playback import InputEndError, LiveCamera, RecordedCamera
from appliance.camera.stream.v4l2 import is_device, list_capture_options
from appliance.errors import CameraAbsentError, CameraError
from appliance.settings.schema import CameraSettings

# libav may take this long to connect, and the same time again to probe the stream.
OPEN_LIMIT_S = 4.0
DEVICE_OPEN_LIMIT_S = 1.5  # libav busy-waits while a non-blocking device has no frame yet
READ_TIMEOUT_S = 2.4  # RTSP takes twice as long; both stay within READ_LIMIT_S
FIRST_FRAME_LIMIT_S = 12.0  # a stream that was joined in the middle has no decodable frame until the next key frame
STRICT_ATTEMPTS = 5
DEFAULT_FPS = 25

# A live stream is probed briefly, because its frame rate need not be measured.
LIVE_OPTIONS = {"fpsprobesize": "0", "analyzeduration": "3000000"}
# A blocking read of a device could not be interrupted. 4 is AVFMT_FLAG_NONBLOCK, for which there is no option name.
DEVICE_OPTIONS = {**LIVE_OPTIONS, "fflags": "+4"}
HTTP_OPTIONS = {**LIVE_OPTIONS, "user_agent": "camera-appliance"}
RTSP_OPTIONS = {
    **LIVE_OPTIONS,
    "rtsp_flags": "prefer_tcp",  # UDP only if the server refuses TCP
    "allowed_media_types": "video",
    "timeout": str(int(READ_TIMEOUT_S * 1e6)),
}

T = TypeVar("T")
# Converts a libav error; the bool is True while opening.
ErrorConverter = Callable[[av.error.FFmpegError, bool], CameraError]


def open_stream(settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    """Open `/dev/videoN`, an rtsp or http(s) address, or a video file.

    Args:
        settings: The camera section.
        wanted_px: (width, height) that is sufficient; requested from devices only.

    Raises:
        CameraAbsentError, CameraBusyError, CameraStalledError: It cannot be opened now.
        SettingsError: The password file cannot be read.
    """
    if "://" in settings.source:
        return _open_address(settings)
    path = Path(settings.source).expanduser()
    if is_device(path):
        return _open_device(path, settings, wanted_px)
    return _open_file(path, settings)


def _open_file(path: Path, settings: CameraSettings) -> Camera:
    def convert(error: Exception, opening: bool) -> CameraError:
        return convert_file_error(error, path, opening)

    def reopen() -> LibavInput:
        # "file:" keeps libav from parsing a name with a colon as an address.
        return LibavInput(f"file:{path}", {}, str(path), convert, size=settings.size)

    return RecordedCamera(reopen(), reopen, settings.fps, settings.loop)


def _open_device(path: Path, settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    def convert(error: Exception, opening: bool) -> CameraError:
        return convert_device_error(error, path, opening)

    def attempt(requested: dict[str, str]) -> Camera:
        options = {**DEVICE_OPTIONS, **requested}
        source = LibavInput(
            str(path), options, str(path), convert, container_format="v4l2", open_limit_s=DEVICE_OPEN_LIMIT_S
        )
        return LiveCamera(source, READ_LIMIT_S)

    *preferred, last = list_capture_options(settings, wanted_px)
    for requested in preferred:
        with contextlib.suppress(UnsupportedOptionsError):
            return attempt(requested)
    return attempt(last)


def _open_address(settings: CameraSettings) -> Camera:
    address = parse_address(settings)

    def convert(error: Exception, opening: bool) -> CameraError:
        return convert_address_error(error, address, opening)

    resolve_host(address)
    options = dict(RTSP_OPTIONS if address.scheme.startswith("rtsp") else HTTP_OPTIONS)
    if address.scheme in ("https", "rtsps"):
        options |= {"tls_verify": "1"} | ({"ca_file": path} if (path := find_ca_file()) else {})

    def reopen() -> LibavInput:
        return LibavInput(address.url, options, address.display_url, convert, size=settings.size)

    source = reopen()
    if address.scheme.startswith("http"):
        source.on_demand = source.is_picture
        if source.has_end and not source.is_picture:
            return RecordedCamera(source, reopen, settings.fps, settings.loop)
    return LiveCamera(source, FIRST_FRAME_LIMIT_S)


class LibavInput:
    """One container opened by libav; implements playback.MediaInput.

    Attributes:
        is_picture: Whether the container is a single picture.
        has_end: Whether the container has a duration; a live stream has none.
    """

    is_picture: bool
    has_end: bool

    def __init__(
        self,
        url: str,
        options: dict[str, str],
        display_name: str,
        convert_error: ErrorConverter,
        *,
        size: tuple[int, int] | None = None,
        container_format: str | None = None,
        open_limit_s: float = OPEN_LIMIT_S,
    ):
        """Open the container.

        Args:
            url: For libav; may contain a password.
            options: Options for libav.
            display_name: Path or address for messages.
            convert_error: Converts a libav error.
            size: (width, height) to which frames are scaled; None leaves them unchanged.
            container_format: libav's name for the format; None detects it.
            open_limit_s: Seconds for connecting, and the same again for probing.
        """
        self.display_name = display_name
        self.damaged_frames = 0
        self.on_demand = False
        self._fetched = False
        self._strict = True
        self._has_decoded = False
        self._convert_error = convert_error
        self._size = size
        self._reformatter = VideoReformatter()
        self._connect = lambda: av.open(
            url, format=container_format, options=options, timeout=(open_limit_s, READ_TIMEOUT_S)
        )
        self._container: av.container.InputContainer | None = None
        self._open()

    def _open(self) -> None:
        self._container = container = self._call(self._connect, opening=True)
        video = next(iter(container.streams.video), None)
        if video is None or video.codec_context is None:
            self.close()
            raise CameraAbsentError(f"{self.display_name} contains no video that can be decoded; check camera.source")
        self.is_picture = container.format.name.endswith("_pipe") or container.format.name == "image2"
        self.has_end = container.duration is not None
        self._packets: Iterator[av.Packet[Any]] = container.demux(video)
        self._restart_packets: Callable[[], Iterator[av.Packet[Any]]] = lambda: container.demux(video)
        self._decoder = video.codec_context
        self._is_mjpeg = self._decoder.name == "mjpeg"
        self.intra_only = bool(self._decoder.codec.intra_only)
        if self._is_mjpeg and self._strict:
            # Otherwise libav fills a truncated JPEG with gray and reports no error.
            self._decoder.options = {"err_detect": "explode"}
        fps = float(video.average_rate or 0)
        self.frame_duration_s = 1 / fps if 0.001 < fps < 1000 else 1 / DEFAULT_FPS
        rate = f" at {fps:g} frames/s" if fps else ""
        size = f"{self._decoder.width} x {self._decoder.height}"
        self.description = f"{self.display_name}: {self._decoder.name}, {size}{rate}"

    def _call(self, call: Callable[[], T], opening: bool = False) -> T:
        """Call into libav and convert its errors; raise them outside of the handler, so they are not chained."""
        try:
            return call()
        except av.error.BlockingIOError:
            raise
        except av.error.FFmpegError as error:
            camera_error = self._convert_error(error, opening)
        raise camera_error

    def read_packet(self) -> "av.Packet[Any] | None":
        """Return the next packet; see MediaInput.read_packet()."""
        if self.on_demand and self._fetched:
            self.close()
            self._open()
        self._fetched = True
        try:
            return self._call(lambda: next(self._packets))
        except StopIteration:
            raise InputEndError from None
        except av.error.BlockingIOError:
            self._packets = self._restart_packets()  # the error ended the old iterator
            return None

    def decode(self, packet: "av.Packet[Any]", skippable: bool = False) -> list[av.VideoFrame]:
        """Return the undamaged frames that a packet completes; see MediaInput.decode()."""
        if not self.intra_only:
            self._decoder.skip_frame = "NONREF" if skippable else "DEFAULT"
        try:
            decoded = self._decoder.decode(packet if packet.size else None)
        except av.error.EOFError:
            return []
        except av.error.FFmpegError:
            self._count_damage()
            return []
        intact = [frame for frame in decoded if not frame.is_corrupt]
        if intact:
            self.damaged_frames, self._has_decoded = 0, True
        elif decoded:
            self._count_damage()
        return intact

    def _count_damage(self) -> None:
        self.damaged_frames += 1
        if self._is_mjpeg and self._strict and not self._has_decoded and self.damaged_frames >= STRICT_ATTEMPTS:
            # Some cheap cameras never send a conforming JPEG; their pictures are better than none.
            self._strict = False
            self._decoder = av.CodecContext.create("mjpeg", "r")

    def timestamp_s(self, item: "av.Packet[Any] | av.VideoFrame") -> float | None:
        """Return the presentation time in seconds; see MediaInput.timestamp_s()."""
        return None if item.pts is None or item.time_base is None else float(item.pts * item.time_base)

    def convert_to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """Return the frame's pixels, upright; see MediaInput.convert_to_rgb()."""
        width, height = self._size or (frame.width, frame.height)
        rgb = self._reformatter.reformat(frame, width=width, height=height, format="rgb24")
        pixels = np.rot90(rgb.to_ndarray(), getattr(frame, "rotation", 0) // 90 % 4)
        # A frame that needed no conversion still belongs to the decoder or the device.
        return np.array(pixels) if rgb is frame else np.ascontiguousarray(pixels)

    def close(self) -> None:
        """Release the container; may be called twice."""
        container, self._container = self._container, None
        if container is not None:
            container.close()
