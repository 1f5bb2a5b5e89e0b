"""HTTP/1.1 connections with deadlines, which uvicorn's protocol lacks.

A request's header must arrive within 10 s, its body must make progress every 10 s, and every write must be taken by
the client within 10 s. A connection that misses a deadline is aborted, so that slow clients cannot hold places. When
all places are taken, a new connection takes that of one that is idle or sends its body slowly.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from appliance.web.connections.joining import JoiningTransport

HEADER_LIMIT_S = WRITE_LIMIT_S = BODY_LIMIT_S = 10.0
SWEEP_EVERY_S = 1.0
# A client that takes or sends fewer bytes than this in 10 s is too slow, unless it is done.
_PROGRESS_BYTES = 16_384
# A body that made no such progress for so long may lose its place to a new connection.
_STALLED_S = 2.0


class DeadlineProtocol(H11Protocol):
    """One connection. `check_deadlines` is called about once a second."""

    clock: Callable[[], float] = time.monotonic

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Start the deadline of the first request."""
        super().connection_made(cast("asyncio.Transport", JoiningTransport(transport)))
        self._received_s = self._idle_since_s = self._drained_s = self.clock()
        self._unsent = self._body_bytes = 0
        self._header_since_s: float | None = None

    def data_received(self, data: bytes) -> None:
        """Handle received bytes."""
        self._body_bytes += len(data)
        if self._body_bytes >= _PROGRESS_BYTES:
            self._note_body_progress()
        if self._header_since_s is None and self._awaits_header:
            self._header_since_s = self.clock()
        super().data_received(data)
        if not self._awaits_header:
            self._header_since_s = None
        if not self._awaits_body:
            self._note_body_progress()

    def _note_body_progress(self) -> None:
        self._received_s, self._body_bytes = self.clock(), 0

    def on_response_complete(self) -> None:
        """Start the deadline of the next request."""
        self._idle_since_s = self.clock()
        self._header_since_s = None
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP in one sentence, as every other error, and close the connection."""
        body = json.dumps({"error": "this is not a valid HTTP/1.1 request; correct the client"}).encode()
        headers = [
            (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"), (b"connection", b"close"),
        ]  # fmt: skip
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # an answer is on its way
            self.transport.close()
            return
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            if data := self.conn.send(event):
                self.transport.write(data)
        self.transport.close()

    def resume_writing(self) -> None:
        """Take into account that the client took most of what was written."""
        self._drained_s = self.clock()
        super().resume_writing()

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def replaceable_since_s(self) -> float | None:
        """Since when a new connection may take the place of this one, in monotonic seconds; None if it may not."""
        if self.is_idle:
            return self._idle_since_s
        is_stalled = self._awaits_body and self.clock() - self._received_s > _STALLED_S
        return self._received_s if is_stalled else None

    def check_deadlines(self) -> None:
        """Abort the connection if it missed a deadline."""
        now_s, unsent = self.clock(), self.transport.get_write_buffer_size()
        if not self._awaits_body:  # also while the application reads no more
            self._note_body_progress()
        if unsent == 0 or unsent <= self._unsent - _PROGRESS_BYTES:
            self._drained_s, self._unsent = now_s, unsent
        self._unsent = max(self._unsent, unsent)
        header_since_s = self._idle_since_s if self._header_since_s is None else self._header_since_s
        if (
            now_s - self._drained_s > WRITE_LIMIT_S
            or (self._awaits_header and now_s - header_since_s > HEADER_LIMIT_S)
            or (self._awaits_body and now_s - self._received_s > BODY_LIMIT_S)
        ):
            self.transport.abort()

    @property
    def _awaits_header(self) -> bool:
        return self.conn.their_state is h11.IDLE and self.is_idle

    @property
    def _awaits_body(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY and self.flow is not None and not self.flow.read_paused


def close_longest_idle(connections: Iterable[Any]) -> bool:
    """Abort the connection that has been idle or stalled longest, to make room for a new one; return whether it was."""
    found = [
        (since_s, each)
        for each in connections
        if isinstance(each, DeadlineProtocol)
        and not each.transport.is_closing()
        and (since_s := each.replaceable_since_s) is not None
    ]
    if not found:
        return False
    min(found, key=lambda pair: pair[0])[1].transport.abort()
    return True
