"""Split what RTSP peers send into messages and interleaved packets (RFC 2326, sections 4 and 10.12)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from appliance.system.foreign_text import clean_text

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024
_END = b"\r\n\r\n"


class RtspFormatError(Exception):
    """The peer does not send RTSP; the text describes what it sends instead."""


@dataclass(slots=True)
class RtspMessage:
    """A request or a reply.

    Attributes:
        first: The request line or the status line.
        headers: (name, value) in order.
        body: The bytes after the headers.
    """

    first: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def status(self) -> int | None:
        """The status code of a reply; None for a request."""
        words = self.first.split(" ", 2)
        return int(words[1]) if words[0].startswith("RTSP/") and len(words) > 1 and words[1].isdecimal() else None

    def values(self, name: str) -> list[str]:
        """Return the values of all headers of this name."""
        return [value for other, value in self.headers if other.lower() == name.lower()]

    def set(self, name: str, value: str) -> None:
        """Replace all headers of this name by one."""
        self.headers = [pair for pair in self.headers if pair[0].lower() != name.lower()] + [(name, value)]

    def encode(self) -> bytes:
        """Return the bytes of the message."""
        lines = [self.first, *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body


class RtspSplitter:
    """Collects bytes from one peer, and returns what is complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def add(self, data: bytes) -> Iterator[RtspMessage | bytes]:
        """Return messages, and interleaved packets as bytes (several at once).

        Raises:
            RtspFormatError: The bytes are not RTSP.
        """
        self._buffer += data
        while self._buffer:
            if self._buffer[0] == 0x24:  # "$" begins an interleaved packet
                if not (packets := self._take_packets()):
                    return
                yield packets
            elif self._buffer[0] in b"\r\n":
                del self._buffer[:1]
            elif (message := self._take_message()) is None:
                return
            else:
                yield message

    def check_end(self) -> None:
        """Accept the end of the connection.

        Raises:
            RtspFormatError: What came last is not RTSP.
        """
        if self._buffer and self._buffer[0] != 0x24 and not self._buffer.startswith(b"RTSP/"):
            raise RtspFormatError(f"answers, but not with RTSP ({_excerpt(bytes(self._buffer))})")

    def _take_packets(self) -> bytes:
        buffer, end = self._buffer, 0
        while len(buffer) >= end + 4 and buffer[end] == 0x24:
            size = 4 + int.from_bytes(buffer[end + 2 : end + 4])
            if len(buffer) < end + size:
                break
            end += size
        packets = bytes(buffer[:end])
        del buffer[:end]
        return packets

    def _take_message(self) -> RtspMessage | None:
        end = self._buffer.find(_END)
        head = bytes(self._buffer[: end if end >= 0 else MAX_HEAD_BYTES])
        first = head.partition(b"\r\n")[0]
        is_whole_line = end >= 0 or b"\r\n" in head
        if len(head) >= MAX_HEAD_BYTES or (is_whole_line and b"RTSP/" not in first):
            raise RtspFormatError(f"answers, but not with RTSP ({_excerpt(first)})")
        if end < 0:
            return None
        lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        pairs = [line.partition(":") for line in lines[1:]]
        message = RtspMessage(lines[0], [(name.strip(), value.strip()) for name, colon, value in pairs if colon])
        sizes = [int(value) for value in message.values("Content-Length")[:1] if value.isdecimal()]
        size = sizes[0] if sizes else 0
        if size > MAX_BODY_BYTES:
            raise RtspFormatError(f"announces a message of {size} bytes, which is too large for RTSP")
        if len(self._buffer) < end + len(_END) + size:
            return None
        message.body = bytes(self._buffer[end + len(_END) : end + len(_END) + size])
        del self._buffer[: end + len(_END) + size]
        return message


def _excerpt(data: bytes) -> str:
    return clean_text(" ".join(data[:200].decode("utf-8", "replace").split()), 60)
