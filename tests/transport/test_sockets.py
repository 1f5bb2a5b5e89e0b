"""Sockets that can be ended at any time."""

import socket
import threading
import time

import pytest

from appliance.errors import SourceError
from appliance.transport.http import Http
from appliance.transport.sockets import OpenSockets


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_waiting_read_ends_when_the_sockets_are_shut_down(pair):
    sockets, received = OpenSockets(), []
    sockets.add(pair[0])
    reader = threading.Thread(target=lambda: received.append(pair[0].recv(1)))
    reader.start()
    sockets.close_all()
    reader.join(5)
    assert received == [b""]


def test_deadline_ends_a_read(pair):
    sockets = OpenSockets()
    sockets.add(pair[0])
    start_s = time.monotonic()
    with sockets.deadline(0.05) as deadline:
        assert pair[0].recv(1) == b""
        assert deadline.expired
    assert time.monotonic() - start_s < 5


def test_deadline_that_is_met_ends_nothing(pair):
    sockets = OpenSockets()
    sockets.add(pair[0])
    with sockets.deadline(30) as deadline:
        pass
    pair[1].send(b"x")
    assert pair[0].recv(1) == b"x" and not deadline.expired


def test_closed_socket_is_forgotten(pair):
    sockets = OpenSockets()
    sockets.add(pair[0])
    pair[0].close()
    sockets.add(pair[1])
    sockets.close_all()
    assert pair[1].recv(1) == b""


HEAD = b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nLast-Modified: Mon, 05 Jan 2026 00:00:00 GMT\r\nETag: "abc"\r\n\r\n'


@pytest.mark.parametrize("length", [0, 5, 17, 30, 36, 60, 85, len(HEAD) - 2, len(HEAD) - 1])
def test_head_that_is_cut_short_is_no_answer(length):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(HEAD[:length])

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(SourceError):
            Http().head(f"http://127.0.0.1:{server.getsockname()[1]}/m")
