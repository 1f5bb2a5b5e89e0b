"""Which client of the control socket makes room for another."""

import contextlib
import os
import socket

import pytest

from appliance.control.clients import MAX_CLIENTS, MAX_CLIENTS_PER_USER, ClientTable, read_peer_user


@pytest.fixture
def sockets():
    """Return a function that opens a connection; all are closed at the end."""
    opened = []

    def open_socket():
        opened.append(socket.socket(socket.AF_UNIX))
        return opened[-1]

    yield open_socket
    for each in opened:
        each.close()


def test_user_with_too_many_loses_the_longest_idle_one(sockets):
    table = ClientTable()
    first, *_ = [
        connection for connection in (sockets() for _ in range(MAX_CLIENTS_PER_USER)) if table.admit(connection, 1)
    ]
    assert table.admit(sockets(), 2).dropped is None, "another user has room"
    admission = table.admit(sockets(), 1)
    assert admission.is_admitted and admission.dropped is first
    assert first not in table.connections()


def test_user_with_one_client_keeps_it_when_the_socket_is_full(sockets):
    table = ClientTable()
    kept = sockets()
    table.admit(kept, 0)
    users = [1] * MAX_CLIENTS_PER_USER + [2] * (MAX_CLIENTS - MAX_CLIENTS_PER_USER - 1)
    for user in users:
        table.admit(sockets(), user)
    assert len(table.connections()) == MAX_CLIENTS
    for _ in range(5):
        assert table.admit(sockets(), 3).dropped is not None
    assert kept in table.connections()


def test_busy_clients_are_never_dropped(sockets):
    table = ClientTable()
    connections = [sockets() for _ in range(MAX_CLIENTS_PER_USER)]
    for connection in connections:
        table.admit(connection, 1)
    with table.mark_busy(connections[0]):
        assert table.admit(sockets(), 1).dropped is connections[1]
    with contextlib.ExitStack() as busy:
        for connection in table.connections():
            busy.enter_context(table.mark_busy(connection))
        assert not table.admit(sockets(), 1).is_admitted
        assert table.admit(sockets(), 2).is_admitted


def test_peer_is_this_user():
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        assert read_peer_user(left) == os.geteuid()
