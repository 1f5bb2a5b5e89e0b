"""Send snapshots, of frames that start an event and on request; the next frame answers a request, or it times out."""

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from appliance.errors import ApplianceError, MessagingError
from appliance.imaging.frame import Frame
from appliance.labeling.tracker import Event
from appliance.messaging.home_assistant.announcer import Timer
from appliance.system.timestamps import to_rfc3339

log = logging.getLogger("appliance.mqtt")

_LIMIT_S = 10.0


class PictureSink(Protocol):
    """Where pictures go: the publisher. The method neither blocks nor raises."""

    def show(
        self,
        topic: str,
        jpeg: bytes,
        user_properties: Sequence[tuple[str, str]] = (),
        event_ids: Collection[str] = (),
        *,
        requested: bool = False,
    ) -> None:
        """Send a retained picture once: before the events that it belongs to if nothing else waits, else last."""
        ...


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """One request, which several callers may share."""

    future: Future[None]
    timer: Timer

    def finish(self, error: ApplianceError | None) -> None:
        """Answer the request: the snapshot was published, or failed with this error."""
        self.timer.cancel()
        if error:
            self.future.set_exception(error)
        else:
            self.future.set_result(None)


class SnapshotRequests:
    """The pending request for a snapshot of the next frame, if any. Safe to use from any thread."""

    def __init__(self, start_timer: Callable[[float, Callable[[], None]], Timer]):
        """Start with no pending request.

        Args:
            start_timer: Runs an action after a delay in seconds.
        """
        self._start_timer = start_timer
        self._lock = threading.Lock()
        self._pending: SnapshotRequest | None = None

    def add(self) -> Future[None]:
        """Request a snapshot of the next frame; the future fails with MessagingError if no frame arrives in time."""
        with self._lock:
            if self._pending is None:
                future: Future[None] = Future()
                self._pending = SnapshotRequest(future, self._start_timer(_LIMIT_S, lambda: self._expire(future)))
            return self._pending.future

    def take(self) -> SnapshotRequest | None:
        """Return and remove the pending request; the caller must finish it."""
        with self._lock:
            request, self._pending = self._pending, None
            return request

    def close(self) -> None:
        """Fail the pending request, because no more frames will arrive."""
        if request := self.take():
            request.finish(_no_frame_error())

    def _expire(self, future: Future[None]) -> None:
        with self._lock:
            if self._pending is None or self._pending.future is not future:
                return
            self._pending = None
        future.set_exception(_no_frame_error())


def send_snapshot(
    sink: PictureSink,
    topic: str,
    frame: Frame,
    started: Sequence[Event],
    encode: Callable[[], bytes],
    request: SnapshotRequest | None,
) -> bytes | None:
    """Send the picture of a frame, and answer the request, if any.

    The picture has the MQTT 5 user properties `event` and `label`, once for each event that started with the frame, and
    `time`, the time of the frame.

    Args:
        sink: The publisher.
        topic: The topic of the picture.
        frame: The frame.
        started: The events that started with the frame.
        encode: Encodes the frame as JPEG.
        request: The request that the picture answers.

    Returns:
        The JPEG, or None if the frame cannot be encoded.
    """
    failure, jpeg = None, None
    try:
        jpeg = encode()
        properties = [pair for event in started for pair in (("event", event.id), ("label", event.label))]
        properties.append(("time", to_rfc3339(frame.time)))
        ids = [event.id for event in started]
        sink.show(topic, jpeg, properties, ids, requested=request is not None)
    except ApplianceError as error:
        failure = error
        log.warning("no snapshot was sent: %s", error)
    if request:
        request.finish(failure)
    return jpeg


def _no_frame_error() -> MessagingError:
    return MessagingError(f"no frame arrived within {_LIMIT_S:g} s; see the camera's state in T/stats")
