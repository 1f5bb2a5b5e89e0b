"""The sockets of the requests under way, so that each can be ended: at its time limit, or at once.

A timeout of a socket bounds the silence between two bytes; a server that sends one byte after the other, of a head that
has no end, would hold a request for ever. So each connection tells its socket here, and whoever has to cuts it.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Deadline:
    """The time limit of one request."""

    expired = False


class OpenSockets:
    """The sockets in use, so that a request can be ended at its time limit, or at once, whatever it waits for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []

    def add(self, sock: socket.socket) -> None:
        with self._lock:
            self._open = [each for each in self._open if each.fileno() >= 0] + [sock]

    def shut_down(self) -> None:
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    # Of the plain socket: TLS's own farewell would wait for the other side.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def deadline(self, limit_s: float) -> Iterator[Deadline]:
        clock = Deadline()

        def expire() -> None:
            clock.expired = True
            self.shut_down()

        timer = threading.Timer(limit_s, expire)
        timer.daemon = True
        timer.start()
        try:
            yield clock
        finally:
            timer.cancel()

    def watch(self, manager: urllib3.PoolManager) -> None:
        """From now on, the connections that `manager` opens tell their sockets."""
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
