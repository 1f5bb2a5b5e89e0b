"""Distribute what changes to the viewers: one stream of server-sent events for each browser, and the live pictures.

The daemon calls `notify` on its own threads; without viewers that costs a comparison. Everything else runs on the event
loop. A viewer that does not keep up loses labels first; one that loses anything else is disconnected, and its browser
connects again and gets the whole status.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from appliance.errors import RequestError
from appliance.web.access.principal import Principal, Scope
from appliance.web.access.store import AccessStore
from appliance.web.live.pictures import FramePictures

MAX_STREAMS = 20
HEARTBEAT_S = 10.0
STATUS_EVERY_S = 0.5
_CHECK_EVERY_S = 1.0
_QUEUED = 200
# Each viewer of pictures adds this much to the time between two of them, so that many viewers cost no more than one.
_PICTURE_SPACING_S = 0.05
# They change all the time, and are no reason to send the status.
_VOLATILE = (("device", "time"), ("camera", "age_s"), ("camera", "fps"))


class Viewer:
    """One open stream of events."""

    def __init__(self, principal: Principal):
        """Start with nothing to send."""
        self.principal = principal
        self.wake = asyncio.Event()
        self.labels = False
        self.status: dict[str, Any] | None = None
        self.queue: deque[tuple[str, Mapping[str, Any]]] = deque()
        self.is_overrun = False

    def put(self, kind: str, data: Mapping[str, Any]) -> None:
        """Queue an event."""
        if kind == "log" and self.principal.scope is not Scope.ADMIN:
            return
        if len(self.queue) >= _QUEUED:
            self.is_overrun = True
        else:
            self.queue.append((kind, data))
        self.wake.set()


class LiveFeed:
    """The viewers and what they are sent. Belongs to the event loop, except for `notify` and `viewers`."""

    def __init__(
        self,
        access: AccessStore,
        describe_status: Callable[[], dict[str, Any]],
        describe_labels: Callable[[], dict[str, Any] | None],
        pictures: FramePictures,
    ):
        """Keep references; `run` sends the status.

        Args:
            access: Says whether a viewer is still signed in.
            describe_status: Returns the status; called on a thread of its own.
            describe_labels: Returns the newest labels.
            pictures: Encodes frames.
        """
        self._access = access
        self._describe_status, self._describe_labels = describe_status, describe_labels
        self._pictures = pictures
        self._viewers: set[Viewer] = set()
        self._watchers: set[asyncio.Event] = set()
        self._streams = 0
        self._is_closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def viewers(self) -> int:
        """The number of open pages: streams of events, or of pictures if there are more."""
        return max(len(self._viewers), len(self._watchers))

    def notify(self, kind: str, data: Mapping[str, Any] | None) -> None:
        """Take a change; called on any thread."""
        loop = self._loop
        if loop is None or not self._streams:
            return
        try:
            loop.call_soon_threadsafe(self._distribute, kind, data)
        except RuntimeError:  # the loop was closed in the meantime
            return

    def close(self) -> None:
        """End every stream."""
        self._is_closed = True
        for viewer in self._viewers:
            viewer.wake.set()
        for event in self._watchers:
            event.set()

    async def run(self) -> None:
        """Send the status to the viewers when it changes, until `close`."""
        self._loop = loop = asyncio.get_running_loop()
        before: str | None = None
        while not self._is_closed:
            await asyncio.sleep(STATUS_EVERY_S)
            if not self._viewers:
                before = None
                continue
            status = await loop.run_in_executor(None, self._read_status)
            text = json.dumps(_without_volatile(status), sort_keys=True)
            if text != before:
                before = text
                for viewer in self._viewers:
                    viewer.status = status
                    viewer.wake.set()

    def _read_status(self) -> dict[str, Any]:
        return self._describe_status() | {"viewers": self.viewers}

    async def events(self, principal: Principal) -> AsyncIterator[bytes]:
        """Yield server-sent events until the viewer's session ends or the server stops.

        Call `require_place` first.
        """
        viewer = Viewer(principal)
        self._viewers.add(viewer)  # before the status is read, which has the number of viewers
        self._streams += 1
        sent_s = time.monotonic()
        try:
            viewer.status = await asyncio.get_running_loop().run_in_executor(None, self._read_status)
            viewer.labels = True
            viewer.wake.set()
            while not self._is_closed and not viewer.is_overrun and self._access.is_valid(principal):
                await _wait(viewer.wake, _CHECK_EVERY_S)
                viewer.wake.clear()
                chunk = b"".join(self._take(viewer))
                if not chunk and time.monotonic() - sent_s >= HEARTBEAT_S:
                    chunk = b": still here\n\n"
                if chunk:
                    sent_s = time.monotonic()
                    yield chunk
        finally:
            self._viewers.discard(viewer)
            self._streams -= 1

    async def pictures(self, principal: Principal, size_px: int, boundary: bytes) -> AsyncIterator[bytes]:
        """Yield the parts of an MJPEG stream until the session ends, the camera is turned off, or the server stops.

        Call `require_place` first.
        """
        fresh = asyncio.Event()
        fresh.set()
        self._watchers.add(fresh)
        self._streams += 1
        number: int | None = None
        try:
            while not self._is_closed and self._access.is_valid(principal):
                await _wait(fresh, _CHECK_EVERY_S)
                if not fresh.is_set():
                    continue
                fresh.clear()
                started_s = time.monotonic()
                picture = await self._pictures.encode(size_px)
                if picture is None:
                    return
                if picture[0] == number:
                    continue
                number, jpeg = picture
                head = b"--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % (boundary, len(jpeg))
                yield head + jpeg + b"\r\n"
                pause_s = _PICTURE_SPACING_S * len(self._watchers) - (time.monotonic() - started_s)
                await asyncio.sleep(max(0.0, pause_s))
        finally:
            self._watchers.discard(fresh)
            self._streams -= 1

    def require_place(self) -> None:
        """Raise an error if there are too many streams.

        Raises:
            RequestError: There are.
        """
        if self._streams >= MAX_STREAMS:
            raise RequestError(503, f"{MAX_STREAMS} streams are open already; close another page and try again")

    def _distribute(self, kind: str, data: Mapping[str, Any] | None) -> None:
        if kind == "frame":
            for event in self._watchers:
                event.set()
            for viewer in self._viewers:
                viewer.labels = True
                viewer.wake.set()
        elif data is not None:
            for viewer in self._viewers:
                viewer.put(kind, data)

    def _take(self, viewer: Viewer) -> list[bytes]:
        """Return what is to be sent now."""
        chunks = []
        if viewer.status is not None:
            chunks.append(_encode("status", viewer.status))
            viewer.status = None
        if viewer.labels:
            viewer.labels = False
            if (labels := self._describe_labels()) is not None:
                chunks.append(_encode("labels", labels))
        while viewer.queue:
            chunks.append(_encode(*viewer.queue.popleft()))
        return chunks


def _encode(kind: str, data: Mapping[str, Any]) -> bytes:
    # json.dumps writes no line breaks, so one event is one line.
    return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode(errors="replace")


def _without_volatile(status: dict[str, Any]) -> dict[str, Any]:
    copy = {key: dict(value) if isinstance(value, dict) else value for key, value in status.items()}
    copy.pop("labels", None)
    copy.pop("current", None)
    for section, key in _VOLATILE:
        if isinstance(part := copy.get(section), dict):
            part.pop(key, None)
    return copy


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return
