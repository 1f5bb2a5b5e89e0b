"""The sockets of the requests in progress, so that a request can be ended at any time.

The timeout of a socket limits only the silence between two bytes, so a server that sends an endless head byte by byte
could block a request forever. Therefore each connection registers its socket here.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPResponse, RemoteDisconnected
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Deadline:
    """The time limit of one request; `expired` becomes True when it has passed.

    Attributes:
        expired: Whether the limit has passed.
        cancel: Removes the limit.
    """

    expired = False

    def __init__(self) -> None:
        self.cancel: Callable[[], None] = lambda: None


class _HeadReader:
    """The stream of a response, while its head is read: notes whether the head ended with an empty line."""

    def __init__(self, stream: Any):
        self._stream = stream
        self.has_ended = False

    def readline(self, limit: int = -1) -> bytes:
        """Return the next line."""
        line: bytes = self._stream.readline(limit)
        self.has_ended = line in (b"\r\n", b"\n")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class CheckedResponse(HTTPResponse):
    """A response whose head must be complete: http.client accepts one that the end of the connection cut short."""

    def begin(self) -> None:
        """Read the head.

        Raises:
            RemoteDisconnected: The connection ended inside the head.
        """
        stream: Any = self.fp
        reader: Any = _HeadReader(stream)
        self.fp = reader
        try:
            super().begin()
        finally:
            if self.fp is reader:
                self.fp = stream
        if not reader.has_ended and self.version != 9:  # HTTP/0.9 has no head
            self.close()
            raise RemoteDisconnected("the server ended the connection inside the head of its response")


class OpenSockets:
    """The open sockets of one HTTP client. Safe for use by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []

    def add(self, sock: socket.socket) -> None:
        """Register a socket, and remove those that were closed."""
        with self._lock:
            self._open = [each for each in self._open if each.fileno() >= 0] + [sock]

    def close_all(self) -> None:
        """End every connection, even one that is waiting for data."""
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    # The plain socket is shut down, because TLS's closing handshake would wait for the other side.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def deadline(self, limit_s: float) -> Iterator[Deadline]:
        """Shut the sockets down if the block takes longer than `limit_s` seconds."""
        deadline = Deadline()

        def expire() -> None:
            deadline.expired = True
            self.close_all()

        timer = threading.Timer(limit_s, expire)
        timer.daemon = True
        deadline.cancel = timer.cancel
        timer.start()
        try:
            yield deadline
        finally:
            timer.cancel()

    def watch(self, manager: urllib3.PoolManager) -> None:
        """Register the sockets of all connections that `manager` opens from now on."""
        sockets = self

        class Plain(HTTPConnection):
            response_class = CheckedResponse

            def connect(self) -> None:
                super().connect()
                sockets.add(self.sock)

        class Tls(HTTPSConnection):
            response_class = CheckedResponse

            def connect(self) -> None:
                super().connect()
                sockets.add(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class TlsPool(HTTPSConnectionPool):
            ConnectionCls = Tls

        manager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}
