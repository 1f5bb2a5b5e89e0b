"""The sockets of the requests in progress, so that a request can be ended at any time.

The timeout of a socket limits only the silence between two bytes, so a server that sends an endless head byte by byte
could block a request forever. Therefore each connection registers its socket here.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

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
            def connect(self) -> None:
                super().connect()
                sockets.add(self.sock)

        class Tls(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                sockets.add(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class TlsPool(HTTPSConnectionPool):
            ConnectionCls = Tls

        manager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}
