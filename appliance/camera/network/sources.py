"""The two forms in which a network camera sends pictures over HTTP: an MJPEG stream, and snapshots."""

import contextlib
import re
import time
from collections import deque
from itertools import chain
from typing import Protocol

from appliance.camera.network.client import CameraClient, OpenResponse
from appliance.camera.network.picture_scanner import MAX_PICTURE_BYTES, PictureScanner, ScannedPicture
from appliance.errors import CameraAbsentError, CameraError
from appliance.imaging.files import detect_picture_format

FIRST_SNAPSHOT_LIMIT_S = 20.0  # a camera may take one picture every 10 s
SHORTEST_SNAPSHOT_LIMIT_S = 2.0
LONGEST_SNAPSHOT_LIMIT_S = 60.0
_MAX_EXCESS_BYTES = 64 * 1024  # after a picture in a response without a length
_SELF_DELIMITING = ("JPEG", "PNG")


class PictureSource(Protocol):
    """Where the pictures of a network camera come from.

    Attributes:
        display_name: The address without credentials.
        kind: The form, for display.
        on_demand: Whether a picture is fetched only when a reader waits for one.
    """

    display_name: str
    kind: str
    on_demand: bool

    def fetch(self) -> ScannedPicture:
        """Return the next picture; wait for it.

        Raises:
            CameraError: No picture arrived; an on-demand source may be asked again.
        """
        ...

    def describe_content(self) -> str:
        """Return a predicate about what has arrived instead of pictures, for an error; empty if nothing has."""
        ...

    def abort(self) -> None:
        """End `fetch` in another thread."""
        ...

    def close(self) -> None:
        """Release the connection; no other thread may be in `fetch`."""
        ...


class MjpegSource:
    """A response without end that contains one picture after another."""

    kind = "MJPEG"
    on_demand = False

    def __init__(self, client: CameraClient, response: OpenResponse, begin: bytes):
        """Take over a response.

        Args:
            client: The session.
            response: The response.
            begin: The part of the body that was already read.
        """
        self.display_name = client.address.display_url
        self._client, self._response = client, response
        self._content_type = response.content_type
        response.head.lift_deadline()
        self._scanner = PictureScanner(find_boundary(response.head.headers.get("content-type", ""), begin))
        self._chunks = chain((begin,), response.chunks)
        self._pictures: deque[ScannedPicture] = deque()
        self._has_pictures = False

    def fetch(self) -> ScannedPicture:
        """Return the next picture; see PictureSource.fetch()."""
        while not self._pictures:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise self._make_end_error()
            self._pictures += self._scanner.feed(chunk)
            self._has_pictures = self._has_pictures or bool(self._pictures)
        return self._pictures.popleft()

    def _make_end_error(self) -> CameraAbsentError:
        if content := self.describe_content():
            return CameraAbsentError(f"{self.display_name} {content}")
        return CameraAbsentError(f"{self.display_name} ended the stream; check the camera and the network")

    def describe_content(self) -> str:
        """Return what has arrived; see PictureSource.describe_content()."""
        if self._has_pictures or not self._scanner.scanned_bytes:
            return ""
        parts = ", ".join(self._scanner.list_part_types()) or "none"
        return (
            f"sends {self._content_type or 'data without a type'} that contains no JPEG or PNG picture"
            f" ({self._scanner.scanned_bytes} bytes; types of its parts: {parts}); this form is not supported, so use"
            " the camera's MJPEG, snapshot or RTSP address"
        )

    def abort(self) -> None:
        """End `fetch`; see PictureSource.abort()."""
        self._client.abort()

    def close(self) -> None:
        """Release the connection; see PictureSource.close()."""
        self._client.abort()
        self._response.close()


class SnapshotSource:
    """An address that returns one picture for each request."""

    kind = "snapshots"
    on_demand = True

    def __init__(self, client: CameraClient, response: OpenResponse, begin: bytes):
        """Take over the first response, which becomes the first picture; see MjpegSource."""
        self.display_name = client.address.display_url
        self._client = client
        self._first: tuple[OpenResponse, bytes] | None = (response, begin)
        self._took_s: deque[float] = deque(maxlen=8)

    def fetch(self) -> ScannedPicture:
        """Request a picture; see PictureSource.fetch()."""
        if self._first:
            (response, begin), self._first = self._first, None
            with contextlib.closing(response):
                return self._receive(response, begin)  # its time is unknown, because it was requested elsewhere
        began_s = time.monotonic()
        with contextlib.closing(self._client.request(self._limit_s())) as response:
            picture = self._receive(response, b"")
        self._took_s.append(time.monotonic() - began_s)
        return picture

    def describe_content(self) -> str:
        """Return nothing, because each response was examined; see PictureSource.describe_content()."""
        return ""

    def abort(self) -> None:
        """End `fetch`; see PictureSource.abort()."""
        self._client.abort()

    def close(self) -> None:
        """Release the connection; see PictureSource.close()."""
        self._client.abort()
        if self._first:
            self._first[0].close()

    def _limit_s(self) -> float:
        """Return the time for one response: it follows the camera's own speed."""
        if not self._took_s:
            return FIRST_SNAPSHOT_LIMIT_S
        return min(max(4 * max(self._took_s), SHORTEST_SNAPSHOT_LIMIT_S), LONGEST_SNAPSHOT_LIMIT_S)

    def _receive(self, response: OpenResponse, begin: bytes) -> ScannedPicture:
        """Return the picture in a response; a JPEG or PNG may end before the announced length."""
        scanner, content = PictureScanner(), bytearray()
        announced = response.head.headers.get("content-length", "")
        is_chunked = "chunked" in response.head.headers.get("transfer-encoding", "").lower()
        found: ScannedPicture | None = None
        try:
            for chunk in chain((begin,), response.chunks):
                content += chunk
                if found is None:
                    found = next(iter(scanner.feed(chunk)), None)
                excess_bytes = len(content) - len(found.content) if found else 0
                is_at_end = announced == str(len(content)) or (is_chunked and excess_bytes <= _MAX_EXCESS_BYTES)
                if len(content) > MAX_PICTURE_BYTES or (found and not is_at_end):
                    break  # the rest may never arrive
        except CameraError:
            if found is None:
                raise
        if found is not None and found.is_complete:
            return found
        kind = detect_picture_format(bytes(content[:16]))
        if kind is None:
            raise CameraAbsentError(
                f"{self.display_name} answered with {response.content_type or 'data'} instead of a picture;"
                " check the path in camera.source"
            )
        return ScannedPicture(bytes(content), kind not in _SELF_DELIMITING)


def find_boundary(content_type: str, begin: bytes) -> bytes:
    """Return the boundary of a multipart stream without leading dashes; empty if it is unknown.

    Args:
        content_type: The header Content-Type.
        begin: The beginning of the body, which shows the boundary if the header does not.
    """
    match = re.search(r"boundary\s*=\s*\"?([^\s\";,]+)", content_type, re.IGNORECASE)
    if match:
        return match[1].strip("-").encode("utf-8", "replace")[:200]
    line = begin.lstrip().partition(b"\n")[0].strip()
    return line.strip(b"-")[:200] if line.startswith(b"--") and len(line) <= 200 else b""
