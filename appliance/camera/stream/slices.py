"""Read the slice headers of H.264 and H.265 packets, to find what the decoder cannot report.

Two faults are invisible in decoded frames. A key frame with parameter sets between its slices (as some encoders send)
is split in two by libav's parser. And after a frame was lost as a whole, H.264's later frames are wrong, but complete;
only the gap in their numbers shows it.

Formats: ITU-T H.264 (7.3.1, 7.3.2.1.1, 7.3.3, 7.4.3) and H.265 (7.3.1, 7.3.6.1).
"""

from collections.abc import Iterator
from dataclasses import dataclass

_START_CODE = b"\x00\x00\x01"
_HEADER_BYTES = 64  # enough for the fields that are read here
_SPS_BYTES = 512
# Profiles whose sequence parameter sets describe the color format (7.3.2.1.1).
_PROFILES_WITH_COLOR_FORMAT = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """The first slice of a packet.

    Attributes:
        begins_frame: Whether it is the first slice of its frame.
        is_key: Whether the frame can be decoded without any other.
        is_reference: Whether other frames may depend on it.
        number: H.264's frame_num; None if unknown.
    """

    begins_frame: bool
    is_key: bool
    is_reference: bool
    number: int | None


class _Bits:
    """Bits of a NAL unit, most significant first; raises IndexError past the end."""

    def __init__(self, unit: bytes):
        # A byte 3 after two zero bytes only prevents start codes within a unit (7.3.1).
        data = unit.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(data)
        self._left = 8 * len(data)

    def read(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise IndexError
        return (self._value >> self._left) & ((1 << count) - 1)

    def read_ue(self) -> int:
        """Read an unsigned Exp-Golomb code (9.1)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def read_se(self) -> int:
        """Read a signed Exp-Golomb code (9.1.1)."""
        code = self.read_ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


class SliceReader:
    """Reads packets of one stream, in decoding order, and remembers its parameter sets."""

    def __init__(self, codec: str, extradata: bytes | None):
        """Prepare for a stream.

        Args:
            codec: `h264` or `hevc`.
            extradata: The stream's configuration record, if its packets have length fields instead of start codes.
        """
        self._is_h264 = codec == "h264"
        self._length_bytes = 0
        self._number_bits: int | None = None  # None: unknown, or gaps are allowed
        self._separate_planes = False
        self._reference_number: int | None = None  # of the last frame that others may depend on
        extradata = extradata or b""
        if extradata[:1] == b"\x01" and len(extradata) > 22:
            self._length_bytes = (extradata[4 if self._is_h264 else 21] & 3) + 1
            if self._is_h264:  # the record contains parameter sets after one-byte counts
                size = int.from_bytes(extradata[6:8])
                self._read_parameters(extradata[8 : 8 + size])
        else:
            for unit in self._units(extradata):
                self._note_parameters(unit)

    def read(self, packet: bytes) -> SliceHeader | None:
        """Return the packet's first slice, or None if the packet contains none that can be read."""
        for unit in self._units(packet):
            self._note_parameters(unit)
            try:
                header = self._read_slice(unit)
            except IndexError:
                return None
            if header:
                return header
        return None

    def is_after_gap(self, header: SliceHeader) -> bool:
        """Return whether a frame that this one may depend on was lost; call it once for each frame, in order."""
        if header.number is None or self._number_bits is None:
            return False
        before = self._reference_number
        if header.is_reference:
            self._reference_number = header.number
        if header.is_key or before is None:
            return False
        return (header.number - before) % (1 << self._number_bits) not in (0, 1)

    def _units(self, data: bytes) -> Iterator[bytes]:
        """Return the beginning of each NAL unit."""
        position = 0
        if self._length_bytes:
            while position + self._length_bytes < len(data):
                size = int.from_bytes(data[position : position + self._length_bytes])
                position += self._length_bytes
                yield data[position : position + min(size, _SPS_BYTES)]
                position += size
            return
        while (position := data.find(_START_CODE, position)) >= 0:
            position += len(_START_CODE)
            yield data[position : position + _SPS_BYTES]

    def _read_slice(self, unit: bytes) -> SliceHeader | None:
        if len(unit) < 3:
            return None
        if not self._is_h264:
            kind = unit[0] >> 1 & 0x3F
            if kind > 31:
                return None
            return SliceHeader(bool(unit[2] & 0x80), 16 <= kind <= 23, True, None)
        kind, is_reference = unit[0] & 0x1F, bool(unit[0] & 0x60)
        if kind not in (1, 2, 5):
            return None
        begins_frame, number = bool(unit[1] & 0x80), None
        if self._number_bits is not None and kind != 2:
            bits = _Bits(unit[1:_HEADER_BYTES])
            for _ in range(3):  # first macroblock, type, picture parameter set
                bits.read_ue()
            if self._separate_planes:
                bits.read(2)
            number = bits.read(self._number_bits)
        return SliceHeader(begins_frame, kind == 5, is_reference, number)

    def _note_parameters(self, unit: bytes) -> None:
        if self._is_h264 and len(unit) > 4 and unit[0] & 0x1F == 7:
            self._read_parameters(unit)

    def _read_parameters(self, unit: bytes) -> None:
        """Read the number of bits of frame_num from a sequence parameter set."""
        self._number_bits = None
        try:
            bits = _Bits(unit[1:])
            profile = bits.read(8)
            bits.read(16)
            bits.read_ue()
            self._separate_planes = profile in _PROFILES_WITH_COLOR_FORMAT and _skip_color_format(bits)
            number_bits = bits.read_ue() + 4
            order = bits.read_ue()
            if order == 0:
                bits.read_ue()
            elif order == 1:
                bits.read(1)
                bits.read_se()
                bits.read_se()
                for _ in range(bits.read_ue()):
                    bits.read_se()
            bits.read_ue()
            are_gaps_allowed = bits.read(1)
        except IndexError:
            return
        self._number_bits = None if are_gaps_allowed else number_bits


def _skip_color_format(bits: _Bits) -> bool:
    """Skip the color format and the scaling lists; return whether color planes are coded separately."""
    color_format = bits.read_ue()
    separate_planes = bool(color_format == 3 and bits.read(1))
    bits.read_ue()
    bits.read_ue()
    bits.read(1)
    if bits.read(1):
        for index in range(12 if color_format == 3 else 8):
            if bits.read(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return separate_planes


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.read_se()) % 256
        last = following or last
