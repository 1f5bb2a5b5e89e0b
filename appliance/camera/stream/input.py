"""USB cameras, network cameras and video files, through PyAV (this is the only module that imports it).

One library opens them all; what differs is the options, what a failure means to people, and how the result is
played: devices and streams live, files as recordings (playback.py). An http(s) address is told apart by what
the server sends: a lone picture is a snapshot, fetched anew for each frame that is read; what has a duration is a
recording; everything else is a live stream.

Frames are scaled only where `camera.size` says so. Scaling down to about the labeler's input here would save a copy,
but libswscale resizes otherwise than the contract's bilinear resize without antialiasing, and labels would
depend on the source.

Always: each call into libav ends within its time limit. libav's own messages, which hold addresses with passwords,
never leave this module: not in a log, not in an error, not as the cause of one.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter

from appliance.camera.source import READ_LIMIT_S, Camera
from appliance.camera.stream import address as network
from appliance.camera.stream import errors as troubles
from appliance.camera.stream import v4l2 as device
from appliance.camera.stream.playback import InputEndError, LiveCamera, RecordedCamera
from appliance.errors import CameraAbsentError, CameraError
from appliance.settings.schema import CameraSettings

# libav gets this for connecting, and once more for finding out what is in the stream.
OPEN_LIMIT_S = 4.0
DEVICE_OPEN_LIMIT_S = 1.5  # libav turns in circles while a device that must not block has no frame yet
READ_TIMEOUT_S = 2.4  # RTSP takes twice as long; both stay within READ_LIMIT_S
FIRST_FRAME_LIMIT_S = 12.0  # a stream that was just joined has nothing to show until its next key frame
STRICT_TRIES = 5

# What is in a live stream shows soon; how many frames a second it has need not be found out by waiting for some.
LIVE_OPTIONS = {"fpsprobesize": "0", "analyzeduration": "3000000"}
# A read of a device that blocks could not be ended: 4 is AVFMT_FLAG_NONBLOCK, which has no name among the options.
DEVICE_OPTIONS = {**LIVE_OPTIONS, "fflags": "+4"}
HTTP_OPTIONS = {**LIVE_OPTIONS, "user_agent": "camera-appliance"}
RTSP_OPTIONS = {
    **LIVE_OPTIONS,
    "rtsp_flags": "prefer_tcp",  # UDP only for a server that refuses TCP
    "allowed_media_types": "video",
    "timeout": str(int(READ_TIMEOUT_S * 1e6)),
}

T = TypeVar("T")
Explain = Callable[[av.error.FFmpegError, bool], CameraError]  # the bool: while opening


def open_stream(settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    """Opens `/dev/videoN`, an rtsp or http(s) address, or a video file.

    Args:
        settings: The camera section.
        wanted_px: (width, height) that is enough; only a device is asked for it.

    Raises:
        CameraAbsentError, CameraBusyError, CameraStalledError: It cannot be opened now; says why and what to do.
        SettingsError: The password file cannot be read.
    """
    if "://" in settings.source:
        return _open_address(settings)
    path = Path(settings.source).expanduser()
    if device.is_device(path):
        return _open_device(path, settings, wanted_px)
    return _open_file(path, settings)


def _open_file(path: Path, settings: CameraSettings) -> Camera:
    def explain(error: Exception, opening: bool) -> CameraError:
        return troubles.convert_file_error(error, path, opening)

    def reopen() -> LibavInput:
        # "file:" keeps libav from taking a name with a colon for an address.
        return LibavInput(f"file:{path}", {}, str(path), explain, size=settings.size)

    return RecordedCamera(reopen(), reopen, settings.fps, settings.loop)


def _open_device(path: Path, settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    def explain(error: Exception, opening: bool) -> CameraError:
        return troubles.convert_device_error(error, path, opening)

    def attempt(wish: dict[str, str]) -> Camera:
        options = {**DEVICE_OPTIONS, **wish}
        source = LibavInput(str(path), options, str(path), explain, form="v4l2", open_limit_s=DEVICE_OPEN_LIMIT_S)
        return LiveCamera(source, READ_LIMIT_S)

    *wishes, least = device.list_capture_options(settings, wanted_px)
    for wish in wishes:
        with contextlib.suppress(troubles.UnsupportedOptionsError):
            return attempt(wish)
    return attempt(least)


def _open_address(settings: CameraSettings) -> Camera:
    where = network.parse_address(settings)

    def explain(error: Exception, opening: bool) -> CameraError:
        return troubles.convert_address_error(error, where, opening)

    network.resolve_host(where)
    options = dict(RTSP_OPTIONS if where.scheme.startswith("rtsp") else HTTP_OPTIONS)
    if where.scheme in ("https", "rtsps"):
        options |= {"tls_verify": "1"} | ({"ca_file": path} if (path := network.find_ca_file()) else {})

    def reopen() -> LibavInput:
        return LibavInput(where.url, options, where.shown, explain, size=settings.size)

    source = reopen()
    if where.scheme.startswith("http"):
        source.on_demand = source.is_picture
        if source.has_end and not source.is_picture:
            return RecordedCamera(source, reopen, settings.fps, settings.loop)
    return LiveCamera(source, FIRST_FRAME_LIMIT_S)


class LibavInput:
    """One container opened by libav (playback.Input says what the members are for)."""

    def __init__(
        self,
        url: str,
        options: dict[str, str],
        shown: str,
        explain: Explain,
        *,
        size: tuple[int, int] | None = None,
        form: str | None = None,
        open_limit_s: float = OPEN_LIMIT_S,
    ):
        """Opens it.

        Args:
            url: For libav; may hold a password.
            options: For libav.
            shown: For people.
            explain: Turns an error of libav into one for people.
            size: (width, height) that frames are scaled to; None leaves them as they are.
            form: libav's name of the format; None finds out.
            open_limit_s: Seconds for connecting, and once more for finding out what is in there.
        """
        self.shown = shown
        self.damaged = 0
        self.on_demand = False
        self._fetched = False
        self._strict = True
        self._seen_sound = False
        self._explain = explain
        self._size = size
        self._reformatter = VideoReformatter()
        self._connect = lambda: av.open(url, format=form, options=options, timeout=(open_limit_s, READ_TIMEOUT_S))
        self._container: av.container.InputContainer | None = None
        self._open()

    def _open(self) -> None:
        self._container = container = self._call(self._connect, opening=True)
        video = next(iter(container.streams.video), None)
        if video is None or video.codec_context is None:
            self.close()
            raise CameraAbsentError(f"{self.shown} holds no video that can be decoded; check camera.source")
        self.is_picture = container.format.name.endswith("_pipe") or container.format.name == "image2"
        self.has_end = container.duration is not None
        self._video = video
        self._packets: Iterator[av.Packet] = container.demux(video)
        self._decoder = video.codec_context
        self._jpeg = self._decoder.name == "mjpeg"
        self.whole_pictures = bool(self._decoder.codec.intra_only)
        if self._jpeg and self._strict:
            # Else libav fills a JPEG that was cut off with grey and calls it sound.
            self._decoder.options = {"err_detect": "explode"}
        rate = float(video.average_rate or 0)
        self.frame_s = 1 / rate if 0.001 < rate < 1000 else 1 / 25
        said = f" at {rate:g} frames/s" if rate else ""
        self.description = f"{self.shown}: {self._decoder.name}, {self._decoder.width} x {self._decoder.height}{said}"

    def _call(self, call: Callable[[], T], opening: bool = False) -> T:
        """A call into libav; its errors become ours, and are raised outside of the handler so as not to be kept."""
        try:
            return call()
        except av.error.BlockingIOError:
            raise
        except av.error.FFmpegError as error:
            failure = self._explain(error, opening)
        raise failure

    def packet(self) -> av.Packet | None:
        """See Input.packet()."""
        if self.on_demand and self._fetched:
            self.close()
            self._open()
        self._fetched = True
        try:
            return self._call(lambda: next(self._packets))
        except StopIteration:
            raise InputEndError from None
        except av.error.BlockingIOError:
            self._packets = self._container.demux(self._video)  # the error ended the old one
            return None

    def frames(self, packet: av.Packet, passing: bool = False) -> list[av.VideoFrame]:
        """See Input.frames()."""
        if not self.whole_pictures:
            self._decoder.skip_frame = "NONREF" if passing else "DEFAULT"
        try:
            decoded = self._decoder.decode(packet if packet.size else None)
        except av.error.EOFError:
            return []
        except av.error.FFmpegError:
            decoded = None
        sound = [frame for frame in decoded or () if not frame.is_corrupt]
        if sound:
            self.damaged, self._seen_sound = 0, True
        elif decoded or decoded is None:
            self.damaged += 1
            if self._jpeg and self._strict and not self._seen_sound and self.damaged >= STRICT_TRIES:
                # Some cheap cameras never write a JPEG to the letter: better such pictures than none.
                self._strict = False
                self._decoder = av.CodecContext.create("mjpeg", "r")
        return sound

    def time_s(self, item: av.Packet | av.VideoFrame) -> float | None:
        """See Input.time_s()."""
        return None if item.pts is None or item.time_base is None else float(item.pts * item.time_base)

    def pixels(self, frame: av.VideoFrame) -> np.ndarray:
        """See Input.pixels()."""
        width, height = self._size or (frame.width, frame.height)
        rgb = self._reformatter.reformat(frame, width=width, height=height, format="rgb24")
        pixels = np.rot90(rgb.to_ndarray(), getattr(frame, "rotation", 0) // 90 % 4)
        # A frame that needed no change still belongs to the decoder or the device.
        return np.array(pixels) if rgb is frame else np.ascontiguousarray(pixels)

    def close(self) -> None:
        """See Input.close()."""
        container, self._container = self._container, None
        if container is not None:
            container.close()
