"""Which connections are accepted."""

import select
import socket
from contextlib import closing

import pytest

from appliance.errors import WebError
from appliance.web.connections.listener import ConnectionBudget, choose_addresses, open_listener
from support.broker import free_port


def accept(listener):
    select.select([listener], [], [], 5)
    try:
        return listener.accept()[0]
    except BlockingIOError:
        return None


def test_connections_above_the_limit_are_closed_until_one_ends():
    port = free_port()
    budget = ConnectionBudget(2)
    with closing(open_listener(f"127.0.0.1:{port}", budget, False)) as listener:
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        served = [accept(listener) for _ in range(3)]
        assert served[2] is None and (budget.open, budget.refused) == (2, 1)
        assert clients[2].recv(1) == b""
        served[0].close()
        served[0].close()
        assert budget.open == 1
        with socket.create_connection(("127.0.0.1", port)), closing(accept(listener)) as another:
            assert another is not None and budget.open == 2
        for each in (*clients, served[1]):
            each.close()


def test_room_is_made_for_a_new_connection():
    budget = ConnectionBudget(1, lambda: True)
    assert budget.take() and budget.take()


@pytest.mark.parametrize(("allow_public", "is_accepted"), [(False, False), (True, True)])
def test_public_addresses_are_refused_unless_allowed(monkeypatch, allow_public, is_accepted):
    port = free_port()
    monkeypatch.setattr("appliance.web.connections.listener.is_private_address", lambda address: False)
    with (
        closing(open_listener(f"127.0.0.1:{port}", ConnectionBudget(), allow_public)) as listener,
        socket.create_connection(("127.0.0.1", port)),
    ):
        served = accept(listener)
        assert (served is not None) is is_accepted
        if served:
            served.close()


def test_port_in_use_is_one_sentence():
    port = free_port()
    with (
        closing(open_listener(f"127.0.0.1:{port}", ConnectionBudget(), False)),
        pytest.raises(WebError, match=f"127.0.0.1:{port}.*web.listen"),
    ):
        open_listener(f"127.0.0.1:{port}", ConnectionBudget(), False)


def test_ipv6_listener_does_not_take_the_ipv4_port():
    port = free_port()
    with (
        closing(open_listener(f"[::1]:{port}", ConnectionBudget(), False)),
        closing(open_listener(f"127.0.0.1:{port}", ConnectionBudget(), False)),
    ):
        pass


def test_kernel_without_ipv6_leaves_the_other_addresses():
    both = ("0.0.0.0:8080", "[::]:8080")
    assert choose_addresses(both, lambda: False) == ["0.0.0.0:8080"]
    assert choose_addresses(both, lambda: True) == list(both)
    assert choose_addresses(both[1:], lambda: False) == ["[::]:8080"], "the error must name what cannot be used"
