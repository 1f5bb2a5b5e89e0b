"""Decode one video stream, and give out only frames that are certainly sound.

A frame that depends on a damaged one is damaged too, although the decoder reports only the first. So after any damage
nothing is given out until the next sound key frame.

The decoder runs in one thread: with libav's slice threads, damage is neither concealed nor reported, and its frame
threads delay live frames.
"""

from typing import TYPE_CHECKING

import av
import av.logging
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter

from appliance.camera.stream.packets import VideoPacket, timestamp_s

if TYPE_CHECKING:
    import fractions

STRICT_ATTEMPTS = 5
# libav's H.265 decoder reports the omission of a NAL unit only in its log; units of a kind below 32 are slices.
_OMITTED_UNIT = "Skipping invalid undecodable NALU: "


class VideoDecoder:
    """Decodes the packets of one stream.

    Attributes:
        intra_only: Whether each packet of this codec is a complete picture.
        damaged: Number of damaged frames, with those that may depend on them.
        damaged_in_row: Number of damaged frames since the last sound one.
        size_px: (width, height); None until it is known.
    """

    def __init__(self, context: "av.VideoCodecContext"):
        """Take over the decoder of a stream that was just opened."""
        context.thread_type = "NONE"
        context.thread_count = 1
        self._context: av.VideoCodecContext | None = context
        self.name = context.name
        self.intra_only = bool(context.codec.intra_only)
        self.damaged = 0
        self.damaged_in_row = 0
        self.size_px: tuple[int, int] | None = (context.width, context.height) if context.width else None
        self._is_mjpeg = self.name == "mjpeg"
        self._strict = True
        self._has_decoded = False
        self._has_seen_key = False
        self._waits_for_key = not self.intra_only
        self._time_base: fractions.Fraction | None = None
        self._damage_s: float | None = None  # presentation time of the last damaged packet
        if self._is_mjpeg:
            # Otherwise libav fills a truncated JPEG with gray and reports no error.
            context.options = {"err_detect": "explode"}

    def decode(self, packet: VideoPacket, skippable: bool = False) -> list[av.VideoFrame]:
        """Return the sound frames that a packet completes; if `skippable`, omit frames that no other depends on."""
        context = self._context
        if context is None:
            return []
        if packet.is_damaged and not self.intra_only:
            self._start_waiting(packet.time_s)
        if not self.intra_only:
            context.skip_frame = "NONREF" if skippable else "DEFAULT"
        try:
            with av.logging.Capture() as messages:
                frames = context.decode(packet.data)
        except av.error.EOFError:
            return []
        except av.error.FFmpegError:
            self._note_error(packet)
            return []
        self._set_time_base(packet, frames)
        if any(_is_slice_omitted(text) for _, _, text in messages):
            self._start_waiting(packet.time_s)
        if not frames and packet.data is not None and self._waits_for_key and self._has_decoded:
            self._count_damage()  # a decoder may omit what depends on damage
        return [frame for frame in frames if self._is_sound(frame)]

    def _set_time_base(self, packet: VideoPacket, frames: list[av.VideoFrame]) -> None:
        """Give frames that the decoder held back until the end the unit of their time, which PyAV omits."""
        if packet.data is not None:
            self._time_base = packet.data.time_base
        for frame in frames:
            if frame.time_base is None and self._time_base is not None:
                frame.time_base = self._time_base

    def decode_alone(self, packet: VideoPacket) -> list[av.VideoFrame]:
        """Return the frame of a key frame's packet at once, forgetting all packets before it."""
        context = self._context
        if context is None:
            return []
        context.flush_buffers()
        frames = self.decode(packet)
        if not frames and not packet.is_damaged:  # a decoder that reorders frames waits for later packets
            frames = self.decode(VideoPacket(None, None, False, False))
            context.flush_buffers()
        return frames

    def close(self) -> None:
        """Release the decoder."""
        self._context = None

    def _is_sound(self, frame: av.VideoFrame) -> bool:
        time_s = timestamp_s(frame)
        is_key = bool(frame.key_frame) or (not self._has_seen_key and frame.pict_type == PictureType.I)
        self._has_seen_key |= bool(frame.key_frame)
        if frame.is_corrupt:
            if self._has_decoded or is_key:
                self._start_waiting(time_s)
            self._count_damage()
            return False
        if self._waits_for_key and not (is_key and self._is_after_damage(time_s)):
            self._count_damage()
            return False
        self._waits_for_key, self._has_decoded, self.damaged_in_row = False, True, 0
        self.size_px = (frame.width, frame.height)
        return True

    def _start_waiting(self, time_s: float | None) -> None:
        if not self.intra_only:
            self._waits_for_key, self._damage_s = True, time_s

    def _is_after_damage(self, time_s: float | None) -> bool:
        """Return whether a key frame follows the damage, rather than having been delayed by the decoder."""
        return self._damage_s is None or time_s is None or time_s > self._damage_s

    def _note_error(self, packet: VideoPacket) -> None:
        if self._has_decoded:
            self._start_waiting(packet.time_s)
        self._count_damage()
        if self._is_mjpeg and self._strict and not self._has_decoded and self.damaged_in_row >= STRICT_ATTEMPTS:
            # Some cheap cameras never send a conforming JPEG; their pictures are better than none.
            self._strict = False
            self._context = av.CodecContext.create("mjpeg", "r")

    def _count_damage(self) -> None:
        self.damaged_in_row += 1
        if self._has_decoded or self.intra_only:  # a stream that was joined in the middle begins with incomplete frames
            self.damaged += 1


class RgbConverter:
    """Converts decoded frames, also after their decoder was closed."""

    def __init__(self, size: tuple[int, int] | None):
        """Prepare the conversion.

        Args:
            size: (width, height) to which frames are scaled; None leaves them unchanged.
        """
        self._size = size
        self._reformatter: VideoReformatter | None = None

    def convert(self, frame: av.VideoFrame) -> np.ndarray:
        """Return the frame's pixels, upright: (height, width, 3) uint8 RGB, owned by the caller."""
        reformatter = self._reformatter = self._reformatter or VideoReformatter()
        width, height = self._size or (frame.width, frame.height)
        rgb = reformatter.reformat(frame, width=width, height=height, format="rgb24")
        pixels = np.rot90(rgb.to_ndarray(), getattr(frame, "rotation", 0) // 90 % 4)
        # A frame that needed no conversion still belongs to the decoder or the device.
        return np.array(pixels) if rgb is frame else np.ascontiguousarray(pixels)

    def close(self) -> None:
        """Release what libav allocated for conversions."""
        self._reformatter = None


def _is_slice_omitted(message: str) -> bool:
    kind = message.removeprefix(_OMITTED_UNIT).strip()
    return kind != message.strip() and kind.isdecimal() and int(kind) < 32
