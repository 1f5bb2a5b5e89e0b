"""Read whole, numbered packets from a container: join what libav's parser splits, and mark packets after a loss.

libav reports lost RTP packets only in its log, so the log of the reading thread is captured while a packet is read.
Nothing of it is kept, because it may contain addresses with passwords.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import av
import av.logging

from appliance.camera.stream.slices import SliceReader

_PROBED_KEY_FRAMES = 3  # a live stream that has sent so many unsplit key frames does not split them
_LOSS_MESSAGES = ("RTP: missed",)


@dataclass(frozen=True, slots=True)
class VideoPacket:
    """One packet, as read.

    Attributes:
        data: For the decoder; None marks the end of the stream.
        time_s: Presentation time in seconds; None if it has none.
        is_key: Whether it can be decoded without any other packet.
        is_damaged: Whether the packet, or one before it, was damaged or lost on the way.
    """

    data: "av.Packet[Any] | None"
    time_s: float | None
    is_key: bool
    is_damaged: bool


class PacketReader:
    """Reads the packets of one video stream."""

    def __init__(
        self,
        demux: Callable[[], Iterator["av.Packet[Any]"]],
        codec: str,
        extradata: bytes | None,
        *,
        is_live: bool,
    ):
        """Prepare to read.

        Args:
            demux: Returns an iterator over the stream's packets.
            codec: libav's name of the codec.
            extradata: The stream's configuration record.
            is_live: Whether to stop looking for split key frames, because it delays each key frame by one frame.
        """
        self._demux = demux
        self._packets = demux()
        self._slices = SliceReader(codec, extradata) if codec in ("h264", "hevc") else None
        self._ahead: av.Packet[Any] | None = None  # read, but not returned yet
        self._failure: Exception | None = None  # of reading ahead
        self._was_marked = False
        self._probes_left = _PROBED_KEY_FRAMES if is_live else None

    def read(self) -> VideoPacket:
        """Return the next packet.

        Raises:
            StopIteration: There are no more packets.
            av.error.FFmpegError: The container failed, or (BlockingIOError) a device has no packet yet.
        """
        with av.logging.Capture() as messages:
            packet = self._next()
            header = self._slices.read(bytes(packet)) if self._slices and packet.size else None
            if header and header.is_key and header.begins_frame and self._probes_left != 0:
                packet = self._join(packet)
        is_lost = any(text.startswith(_LOSS_MESSAGES) for _, _, text in messages)
        is_lost |= bool(header and self._slices and self._slices.is_after_gap(header))
        if packet.size == 0:
            return VideoPacket(None, None, False, is_lost)
        # libav's parser gives the mark of a transport stream to the frame that it completes with the marked data, which
        # is usually the frame before.
        is_marked, self._was_marked = packet.is_corrupt or self._was_marked, packet.is_corrupt
        is_key = packet.is_keyframe if header is None else header.is_key or packet.is_keyframe
        return VideoPacket(packet, timestamp_s(packet), is_key, is_lost or is_marked)

    def close(self) -> None:
        """Release the packets and the container, which the functions given to this reader hold."""
        self._packets = iter(())
        self._demux = self._end
        self._ahead = self._failure = None

    @staticmethod
    def _end() -> Iterator["av.Packet[Any]"]:
        return iter(())

    def _next(self) -> "av.Packet[Any]":
        if self._ahead is not None:
            packet, self._ahead = self._ahead, None
            return packet
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure.with_traceback(None)
        try:
            return next(self._packets)
        except av.error.BlockingIOError:
            self._packets = self._demux()  # the error ended the old iterator
            raise

    def _join(self, packet: "av.Packet[Any]") -> "av.Packet[Any]":
        """Append the following packets that contain the rest of this key frame."""
        parts = [packet]
        try:
            while self._continues(following := self._next()):
                parts.append(following)
            self._ahead = following
        except (StopIteration, av.error.FFmpegError) as error:
            self._failure = error
        if len(parts) == 1:
            if self._probes_left:
                self._probes_left -= 1
            return packet
        self._probes_left = None  # this stream splits its key frames
        joined = av.Packet(b"".join(map(bytes, parts)))
        joined.pts, joined.dts, joined.time_base = packet.pts, packet.dts, packet.time_base
        joined.is_keyframe = True
        joined.is_corrupt = any(part.is_corrupt for part in parts)
        return joined

    def _continues(self, packet: "av.Packet[Any]") -> bool:
        header = self._slices.read(bytes(packet)) if self._slices and packet.size else None
        return header is not None and header.is_key and not header.begins_frame


def timestamp_s(item: "av.Packet[Any] | av.VideoFrame") -> float | None:
    """Return the presentation time of a packet or frame in seconds, or None if it has none."""
    return None if item.pts is None or item.time_base is None else float(item.pts * item.time_base)
