"""The sockets that accept connections: public addresses and excess connections are dropped before anything is read.

asyncio calls `accept` of the listening socket, so the limits also cover connections that never finish a TLS handshake.
"""

import errno
import socket
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from appliance.errors import WebError, describe_os_error
from appliance.system.urls import is_private_address

MAX_CONNECTIONS = 64
_BACKLOG = 128


class ConnectionBudget:
    """Counts open connections. Belongs to the thread of the event loop.

    Attributes:
        refused: How many connections were dropped.
    """

    def __init__(self, limit: int = MAX_CONNECTIONS, make_room: Callable[[], bool] = lambda: False):
        """Start without connections.

        Args:
            limit: The greatest number of connections.
            make_room: Closes an idle connection; returns whether there was one.
        """
        self._limit, self.make_room = limit, make_room
        self._sockets: dict[socket.socket, None] = {}
        self._open = 0
        self.refused = 0

    @property
    def open(self) -> int:
        """The number of open connections."""
        return self._open

    def take(self) -> bool:
        """Count a new connection; return False if there are too many."""
        if self._open >= self._limit and not self.make_room():
            self.refused += 1
            return False
        self._open += 1
        return True

    def note(self, connection: socket.socket) -> None:
        """Remember the socket of a connection that was counted, oldest first."""
        self._sockets[connection] = None

    def release(self, connection: socket.socket) -> None:
        """Count a closed connection."""
        self._sockets.pop(connection, None)
        self._open -= 1

    def shut_unknown(self, known: Collection[int]) -> bool:
        """Shut down the oldest connection that is not yet known, to make room; return whether there was one.

        Such a one has not finished its TLS handshake, so that the server has not made it known. Its transport sees the
        end, and closes it.

        Args:
            known: The file descriptors of the connections that the server knows.
        """
        found = next((each for each in self._sockets if each.fileno() not in known), None)
        if found is None:
            return False
        del self._sockets[found]
        with suppress(OSError):
            found.shutdown(socket.SHUT_RDWR)
        return True


class _CountedSocket(socket.socket):
    """An accepted connection that is counted until it is closed."""

    budget: ConnectionBudget | None = None

    def close(self) -> None:
        """Close the connection and release its place."""
        budget, self.budget = self.budget, None
        super().close()
        if budget:
            budget.release(self)


class Listener(socket.socket):
    """A listening socket that accepts only permitted connections."""

    budget = ConnectionBudget()
    allow_public = False

    def listen(self, backlog: int = _BACKLOG) -> None:
        """Listen; asyncio's own, smaller backlog only limits how many connections it accepts at a time."""
        super().listen(max(backlog, _BACKLOG))

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next permitted connection.

        Raises:
            BlockingIOError: There is none.
        """
        while True:
            connection, peer = super().accept()
            if (self.allow_public or is_private_address(str(peer[0]))) and self.budget.take():
                counted = _CountedSocket(fileno=connection.detach())
                counted.budget = self.budget
                self.budget.note(counted)
                return counted, peer
            connection.close()


def has_ipv6() -> bool:
    """Return whether the kernel supports IPv6, which `ipv6.disable=1` turns off."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError as error:
        return error.errno != errno.EAFNOSUPPORT
    return True


def choose_addresses(addresses: Sequence[str], has_ipv6: Callable[[], bool] = has_ipv6) -> list[str]:
    """Return the addresses to listen on: without IPv6, only the others, if there are any.

    Args:
        addresses: The entries of web.listen.
        has_ipv6: Whether this machine has IPv6.
    """
    others = [address for address in addresses if not address.startswith("[")]
    return others if others and len(others) < len(addresses) and not has_ipv6() else list(addresses)


def open_listener(address: str, budget: ConnectionBudget, allow_public: bool) -> Listener:
    """Open a listening socket.

    Args:
        address: An entry of web.listen.
        budget: Counts the connections.
        allow_public: Whether addresses outside private networks may connect.

    Raises:
        WebError: The address cannot be listened on.
    """
    host, _, port = address.rpartition(":")
    is_ipv6 = host.startswith("[")
    listener = Listener(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_ipv6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host.strip("[]"), int(port)))
        listener.listen()
    except OSError as error:
        listener.close()
        raise WebError(
            f"the page cannot listen on {address}: {describe_os_error(error)}; correct web.listen, or stop the program "
            "that uses this port"
        ) from error
    listener.setblocking(False)
    listener.budget, listener.allow_public = budget, allow_public
    return listener
