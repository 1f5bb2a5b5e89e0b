"""Messages to systemd."""

import socket

import pytest

from appliance.system.systemd import Notifier, is_managed


@pytest.fixture(params=["path", "abstract"])
def systemd(tmp_path, request):
    name = str(tmp_path / "notify") if request.param == "path" else f"\0appliance-test-{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.bind(name)
        yield sock, {"NOTIFY_SOCKET": name.replace("\0", "@")}


def test_each_message_has_the_protocols_form(systemd):
    sock, environ = systemd
    notifier = Notifier(environ)
    notifier.notify_ready("labeling with flowers 1.0.0")
    notifier.feed_watchdog()
    notifier.notify_reloading()
    notifier.notify_stopping()
    ready, alive, reloading, stopping = (sock.recv(1000).decode() for _ in range(4))
    assert ready == "READY=1\nSTATUS=labeling with flowers 1.0.0"
    assert alive == "WATCHDOG=1"
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=") and reloading.split("=")[-1].isdecimal()
    assert stopping == "STOPPING=1"


@pytest.mark.parametrize("name", ["flow\nMAINPID=1\nWATCHDOG_USEC=1", "a\u2028b\x1b[2J\ud800", "x" * 200_000])
def test_status_with_foreign_text_is_one_bounded_message(systemd, name):
    sock, environ = systemd
    Notifier(environ).notify_ready(f"labeling with {name}")
    received = sock.recv(1_000_000)
    assert len(received) <= 4096
    assert [line.split("=")[0] for line in received.decode().splitlines()] == ["READY", "STATUS"]
    assert b"\x1b" not in received


def test_without_systemd_nothing_happens():
    Notifier({}).notify_ready("x")


def test_socket_that_is_gone_is_no_error(tmp_path):
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "none")}).feed_watchdog()


def test_service_is_managed_if_systemd_listens():
    assert is_managed({"NOTIFY_SOCKET": "/run/x"})
    assert not is_managed({})
