"""Find the pictures in an MJPEG stream by their content, because many cameras send multipart headers that are wrong.

A JPEG and a PNG state where they end, so neither boundaries, part headers nor Content-Length are needed to cut a stream
into pictures; no error in them matters. Part headers are read only to skip parts with sound or text, in which bytes may
look like the beginning of a JPEG by chance.

Formats: JPEG markers, ITU-T T.81 annex B; PNG chunks, ISO/IEC 15948; multipart, RFC 2046.
"""

import re
from dataclasses import dataclass

from appliance.system.foreign_text import clean_text

MAX_PICTURE_BYTES = 32 * 1024 * 1024
_GAP_BYTES = 8192  # of the text between two pictures; longer headers are not read

_PNG_START = b"\x89PNG\r\n\x1a\n"
_START = re.compile(rb"\xff\xd8\xff[\xc0-\xcf\xdb-\xfe]|" + re.escape(_PNG_START))
_LONGEST_START_BYTES = len(_PNG_START)
# In scan data, these are not markers: a stuffed byte, restart markers, and fill bytes (T.81, B.1.1.2 and B.1.1.5).
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_PART_TYPE = re.compile(rb"content-type[ \t]*:[ \t]*\"?([\w.+-]*/?[\w.+-]*)", re.IGNORECASE)
_FOREIGN_TYPE = re.compile(rb"(audio|text|application/(json|xml|sdp))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ScannedPicture:
    """A picture from a stream.

    Attributes:
        content: The bytes of a JPEG or PNG.
        is_complete: Whether the end of the picture was found; if not, it was cut off, or the camera omits the end.
    """

    content: bytes
    is_complete: bool


class _InvalidPictureError(Exception):
    """Bytes that looked like the beginning of a picture are not one."""


class PictureScanner:
    """Cuts a stream of bytes into pictures.

    Attributes:
        scanned_bytes: How many bytes have arrived.
    """

    def __init__(self, boundary: bytes = b""):
        """Start at any position of a stream.

        Args:
            boundary: The boundary of the parts if it is known, without leading dashes.
        """
        self.scanned_bytes = 0
        self._part_types: list[str] = []
        self._boundary = boundary
        self._buffer = bytearray()
        self._in_picture = False  # whether the buffer begins with a picture
        self._in_foreign_part = False
        self._position = 0  # the next byte to examine
        self._in_scan = False  # whether that byte belongs to the compressed data of a JPEG

    def feed(self, chunk: bytes) -> list[ScannedPicture]:
        """Return the pictures that a chunk completes."""
        self.scanned_bytes += len(chunk)
        self._buffer += chunk
        pictures: list[ScannedPicture] = []
        while True:
            if not self._in_picture and not self._find_start():
                return pictures
            try:
                picture = self._find_end()
            except _InvalidPictureError:
                self._skip(2)
                continue
            if picture is None:
                if len(self._buffer) <= MAX_PICTURE_BYTES:
                    return pictures
                self._skip(2)
            else:
                pictures.append(picture)

    def list_part_types(self) -> list[str]:
        """Return the types that part headers named so far, at most 8, for messages."""
        if not self._in_picture:
            self._read_headers(bytes(self._buffer))
        return list(self._part_types)

    def _find_start(self) -> bool:
        """Move the buffer to the next picture; return whether there is one."""
        at = 0
        while match := _START.search(self._buffer, at):
            gap = bytes(self._buffer[max(0, match.start() - _GAP_BYTES) : match.start()])
            self._read_headers(gap)
            if not self._in_foreign_part:
                del self._buffer[: match.start()]
                self._in_picture, self._in_scan = True, False
                self._position = 2
                return True
            at = match.start() + 2
        excess_bytes = len(self._buffer) - _GAP_BYTES
        if excess_bytes > 0:
            self._read_headers(bytes(self._buffer))
            del self._buffer[:excess_bytes]
        return False

    def _read_headers(self, gap: bytes) -> None:
        """Take the part's type from the text between two pictures."""
        found = None
        for found in _PART_TYPE.finditer(gap):
            name = clean_text(found[1].decode("ascii", "replace").lower(), 40)
            if name and name not in self._part_types and len(self._part_types) < 8:
                self._part_types.append(name)
        if found:
            self._in_foreign_part = _FOREIGN_TYPE.match(found[1]) is not None
        if self._boundary and gap.rfind(self._boundary) > (found.start() if found else -1):
            self._in_foreign_part = False  # a new part, of which no type is known

    def _find_end(self) -> ScannedPicture | None:
        """Return the picture at the beginning of the buffer; None if more bytes are needed."""
        if self._buffer.startswith(_PNG_START):
            return self._find_png_end()
        buffer = self._buffer
        while True:
            if self._in_scan:
                match = _MARKER.search(buffer, self._position)
                if match is None:
                    self._position = max(self._position, len(buffer) - 1)
                    return None
                self._position = match.start()
            if len(buffer) < self._position + 4:
                is_end = bytes(buffer[self._position : self._position + 2]) == b"\xff\xd9"
                return self._take(self._position + 2, True) if is_end else None
            if buffer[self._position] != 0xFF:
                raise _InvalidPictureError
            marker = buffer[self._position + 1]
            if marker == 0xFF:  # a fill byte
                self._position += 1
            elif marker == _EOI:
                return self._take(self._position + 2, True)
            elif marker == _SOI or (self._in_scan and not _is_between_scans(marker)):
                return self._cut_off()
            else:
                self._position += 2 + int.from_bytes(buffer[self._position + 2 : self._position + 4], "big")
                self._in_scan = marker == _SOS

    def _find_png_end(self) -> ScannedPicture | None:
        self._position = max(self._position, len(_PNG_START))
        while len(self._buffer) >= self._position + 12:
            size_bytes = int.from_bytes(self._buffer[self._position : self._position + 4], "big")
            kind = bytes(self._buffer[self._position + 4 : self._position + 8])
            if size_bytes > MAX_PICTURE_BYTES or not kind.isalpha():
                raise _InvalidPictureError
            self._position += 12 + size_bytes
            if kind == b"IEND":
                return self._take(self._position, True)
        return None

    def _cut_off(self) -> ScannedPicture:
        """Return a JPEG that ends without its end marker, because the next picture or a boundary follows."""
        if not self._in_scan:
            raise _InvalidPictureError
        end = self._position
        if self._boundary and (at := self._buffer.rfind(self._boundary, 0, end)) > 0:
            end = at
        return self._take(end, False)

    def _take(self, end: int, is_complete: bool) -> ScannedPicture:
        content = bytes(self._buffer[:end])
        self._skip(end)
        return ScannedPicture(content, is_complete)

    def _skip(self, count: int) -> None:
        del self._buffer[:count]
        self._in_picture, self._in_scan, self._position = False, False, 0


def has_picture_start(content: bytes) -> bool:
    """Return whether a JPEG or PNG begins anywhere in the bytes."""
    return _START.search(content) is not None


def _is_between_scans(marker: int) -> bool:
    """Return whether a marker may follow compressed data: tables, another scan, a number of lines, comments."""
    return marker in (0xC4, 0xCC, 0xDB, 0xDC, 0xDD, _SOS, 0xFE) or 0xE0 <= marker <= 0xEF
