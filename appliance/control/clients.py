"""The clients of the control socket: how many there may be, and which one makes room for another.

A client that only holds its connection must not shut out a user's command. So a new client takes the place of the
longest idle one: of its own user if that user has too many, else of the user who has the most.
"""

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MAX_CLIENTS = 32
MAX_CLIENTS_PER_USER = 16
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid; see unix(7)


@dataclass(slots=True)
class _Client:
    """One connection.

    Attributes:
        user: The user id of the process that connected.
        idle_since_s: When it began to wait for a request, on time.monotonic(); None while a request is carried out.
    """

    user: int
    idle_since_s: float | None


@dataclass(frozen=True, slots=True)
class Admission:
    """The decision about a new client.

    Attributes:
        is_admitted: Whether there is room for it.
        dropped: The idle client that must be disconnected to make room; None if there was room.
    """

    is_admitted: bool
    dropped: socket.socket | None = None


class ClientTable:
    """The connected clients; safe to use from any thread."""

    def __init__(self) -> None:
        self._clients: dict[socket.socket, _Client] = {}
        self._lock = threading.Lock()

    def admit(self, connection: socket.socket, user: int) -> Admission:
        """Add a client if there is room, or if an idle client can be dropped for it.

        Args:
            connection: The new connection.
            user: The user id of its process.
        """
        with self._lock:
            counts = Counter(client.user for client in self._clients.values())
            dropped = None
            if counts[user] >= MAX_CLIENTS_PER_USER:
                dropped = self._find_longest_idle({user})
            elif len(self._clients) >= MAX_CLIENTS:
                most = max(counts.values())
                dropped = self._find_longest_idle({other for other in counts if counts[other] == most})
            else:
                self._clients[connection] = _Client(user, time.monotonic())
                return Admission(True)
            if dropped is None:
                return Admission(False)
            del self._clients[dropped]
            self._clients[connection] = _Client(user, time.monotonic())
            return Admission(True, dropped)

    def remove(self, connection: socket.socket) -> None:
        """Remove a client that disconnected; one that was dropped is removed already."""
        with self._lock:
            self._clients.pop(connection, None)

    @contextmanager
    def mark_busy(self, connection: socket.socket) -> Iterator[None]:
        """Protect a client from being dropped while its request is carried out."""
        self._set_idle(connection, None)
        try:
            yield
        finally:
            self._set_idle(connection, time.monotonic())

    def connections(self) -> list[socket.socket]:
        """Return the connections of all clients."""
        with self._lock:
            return list(self._clients)

    def _set_idle(self, connection: socket.socket, since_s: float | None) -> None:
        with self._lock:
            if client := self._clients.get(connection):
                client.idle_since_s = since_s

    def _find_longest_idle(self, users: set[int]) -> socket.socket | None:
        idle = [
            (client.idle_since_s, connection)
            for connection, client in self._clients.items()
            if client.user in users and client.idle_since_s is not None
        ]
        return min(idle, key=lambda entry: entry[0])[1] if idle else None


def read_peer_user(connection: socket.socket) -> int:
    """Return the user id of the process that connected."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    user: int = _CREDENTIALS.unpack(credentials)[1]
    return user
