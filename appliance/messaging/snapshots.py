"""Handle requests for a snapshot: the next frame answers them, or they time out."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from appliance.errors import ApplianceError, MessagingError
from appliance.messaging.home_assistant.announcer import Timer

_LIMIT_S = 10.0


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


def _no_frame_error() -> MessagingError:
    return MessagingError(f"no frame arrived within {_LIMIT_S:g} s; see the camera's state in T/stats")
