"""One source that libav opens: its container, its packets, and its decoder; freed at once when it is closed.

libav's own messages, which contain addresses with passwords, never leave this module, neither in a log nor in an error
or its cause.
"""

from collections.abc import Callable
from typing import TypeVar

import av
import av.error
import av.logging
import numpy as np

from appliance.camera.stream.decoding import RgbConverter, VideoDecoder
from appliance.camera.stream.packets import PacketReader, VideoPacket, timestamp_s
from appliance.camera.stream.playback import InputEndError
from appliance.camera.stream.rtsp_relay import RtspRelay
from appliance.errors import CameraAbsentError, CameraError

# libav may take the first time to connect, the same time again to probe the stream, and the second to read.
FILE_LIMITS_S = (4.0, 2.4)
DEFAULT_FPS = 25
NO_TIMESTAMPS = 0x80  # libav's flag AVFMT_NOTIMESTAMPS

T = TypeVar("T")
# Converts a libav error; the bool is True while opening.
ErrorConverter = Callable[[av.error.FFmpegError, bool], CameraError]


class LibavInput:
    """One container opened by libav; implements playback.MediaInput.

    Attributes:
        has_end: Whether the container has a duration or a size; a live stream has neither.
    """

    def __init__(
        self,
        url: str,
        options: dict[str, str],
        display_name: str,
        convert_error: ErrorConverter,
        *,
        size: tuple[int, int] | None = None,
        container_format: str | None = None,
        limits_s: tuple[float, float | None] = FILE_LIMITS_S,
        connect: Callable[[], RtspRelay] | None = None,
    ):
        """Prepare to open the container.

        Args:
            url: For libav; may contain a password.
            options: Options for libav.
            display_name: Path or address for messages.
            convert_error: Converts a libav error.
            size: (width, height) to which frames are scaled; None leaves them unchanged.
            container_format: libav's name for the format; None detects it.
            limits_s: Seconds for connecting and again for probing, and for each read; None: no limit.
            connect: Connects to an RTSP camera; its address for libav replaces `url`.
        """
        self.display_name = display_name
        self.has_end = self.is_playlist = False
        self.may_be_file = url.startswith("http")
        self.intra_only = False
        self.frame_duration_s = 1 / DEFAULT_FPS
        self._url, self._options = url, options
        self._converter = RgbConverter(size)
        self._format, self._limits_s = container_format, limits_s
        self._convert_error, self._connect = convert_error, connect
        self._relay: RtspRelay | None = None
        self._is_aborted = False
        self._container: av.container.InputContainer | None = None
        self._packets: PacketReader | None = None
        self._decoder: VideoDecoder | None = None
        self._rate = ""
        self._damaged_before = 0

    @property
    def description(self) -> str:
        """Name, codec, size and rate, as far as they are known."""
        if self._decoder is None:
            return self.display_name
        size_px = self._decoder.size_px
        size = f", {size_px[0]} x {size_px[1]}" if size_px else ""
        return f"{self.display_name}: {self._decoder.name}{size}{self._rate}"

    @property
    def damaged(self) -> int:
        """Number of damaged frames, with those that depend on them."""
        return self._damaged_before + (self._decoder.damaged if self._decoder else 0)

    @property
    def damaged_in_row(self) -> int:
        """Number of damaged frames since the last sound one."""
        return self._decoder.damaged_in_row if self._decoder else 0

    def open(self) -> None:
        """Open the container, unless it is open; see MediaInput.open()."""
        if self._container is not None:
            return
        url = self._url
        if self._connect is not None:
            self._relay = self._connect()
            url = self._relay.url
        if self._is_aborted:
            self.abort()
        self._container = self._call(
            lambda: av.open(url, format=self._format, options=dict(self._options), timeout=self._limits_s), opening=True
        )
        self._use_stream(self._container)
        if self._relay is not None and (known := self._relay.failure):
            self.close()
            raise type(known)(*known.args)
        if self._packets is None:
            self.close()
            raise CameraAbsentError(f"{self.display_name} contains no video that can be decoded; check camera.source")

    def _use_stream(self, container: "av.container.InputContainer") -> None:
        video = next(iter(container.streams.video), None)
        if video is None or video.codec_context is None:
            return
        self.is_playlist = container.format.name.split(",")[0] in ("hls", "dash")
        is_sized = (container.size or 0) > 0 and not self.is_playlist
        is_live = self._connect is not None or not (container.duration is not None or is_sized)
        self.has_end = not is_live
        extradata = video.codec_context.extradata
        self._packets = PacketReader(
            lambda: container.demux(video), video.codec_context.name, extradata, is_live=is_live
        )
        self._decoder = VideoDecoder(video.codec_context)
        self.intra_only = self._decoder.intra_only
        fps = float(video.average_rate or 0)
        self.frame_duration_s = 1 / fps if 0.001 < fps < 1000 else 1 / DEFAULT_FPS
        # For network streams, and files without timestamps, libav guesses the rate.
        is_known = (self.has_end and not container.format.flags & NO_TIMESTAMPS) or self._format is not None
        self._rate = f" at {fps:g} frames/s" if fps and is_known else ""

    def _call(self, call: Callable[[], T], opening: bool = False) -> T:
        """Call into libav and convert its errors; raise them outside of the handler, so they are not chained."""
        try:
            with av.logging.Capture():  # and forget; they may contain the password
                return call()
        except av.error.BlockingIOError:
            raise
        except av.error.FFmpegError as error:
            camera_error = self._convert_error(error, opening)
        if self._relay is not None and (known := self._relay.failure):
            camera_error = type(known)(*known.args)
        if opening:
            self.close()
        try:
            raise camera_error
        finally:
            del camera_error  # else this frame and the error's traceback would keep each other alive

    def read_packet(self) -> VideoPacket | None:
        """Return the next packet; see MediaInput.read_packet()."""
        if self._packets is None or self._is_aborted:
            raise InputEndError
        try:
            return self._call(self._packets.read)
        except StopIteration:
            if self._relay is not None and (known := self._relay.failure):
                raise type(known)(*known.args) from None
            raise InputEndError from None
        except av.error.BlockingIOError:
            return None

    def decode(self, packet: VideoPacket, skippable: bool = False) -> list[av.VideoFrame]:
        """Return the undamaged frames that a packet completes; see MediaInput.decode()."""
        return self._decoder.decode(packet, skippable) if self._decoder else []

    def decode_alone(self, packet: VideoPacket) -> list[av.VideoFrame]:
        """Return the undamaged frame of a key frame's packet; see MediaInput.decode_alone()."""
        return self._decoder.decode_alone(packet) if self._decoder else []

    def timestamp_s(self, item: av.VideoFrame) -> float | None:
        """Return the presentation time in seconds; see MediaInput.timestamp_s()."""
        return timestamp_s(item)

    def convert_to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """Return the frame's pixels, upright; see MediaInput.convert_to_rgb()."""
        return self._converter.convert(frame)

    def abort(self) -> None:
        """Make a call in progress and all later ones fail soon; see MediaInput.abort()."""
        self._is_aborted = True
        if self._relay is not None:
            self._relay.close()

    def close(self) -> None:
        """Release container, decoder and connection at once, without the garbage collector; may be called twice.

        An error that is kept somewhere may keep this object; it must not keep anything that libav allocated.
        """
        container, self._container = self._container, None
        decoder, self._decoder = self._decoder, None
        packets, self._packets = self._packets, None
        if packets is not None:
            packets.close()
        if decoder is not None:
            self._damaged_before += decoder.damaged
            decoder.close()
        self._converter.close()
        if container is not None:
            container.close()
        if self._relay is not None:
            self._relay.close()
