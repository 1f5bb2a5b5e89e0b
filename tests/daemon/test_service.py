"""Test the service: how it starts, supervises and stops, and what it reports to systemd."""

import socket
import sys
import threading
from contextlib import contextmanager
from types import MappingProxyType

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.control.client import ask
from appliance.control.protocol import ControlCommand, make_request
from appliance.daemon.service import Service
from appliance.errors import ApplianceError, ControlError, DaemonAbsentError, OutboxError
from appliance.system.memory import VARIABLE as MEMORY_VARIABLE
from appliance.system.paths import SOCKET_NAME
from appliance.system.systemd import Notifier
from appliance.updates.store.store import Store
from support.broker import wait_until
from support.bundles import bundle_folder
from support.paths import FLOWERS
from support.services import SETTINGS


@pytest.fixture(autouse=True)
def own_switch_interval():
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def state(tmp_path):
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest.fixture
def notifications(tmp_path):
    """Open a socket on which systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        yield listener


@contextmanager
def start_service(state, environ=MappingProxyType({}), failed=False):
    service = Service(SETTINGS, state, state, Notifier(environ))
    try:
        service.start()
        yield service
    finally:
        service.stop(failed)


def install_model(state, folder):
    """Install a model on probation, against which each failed start counts."""
    Store(state, FLOWERS).install(read_bundle(bundle_folder(folder)), "a test", probation=True)


def test_systemd_learns_of_start_health_and_stop(state, notifications, tmp_path):
    with start_service(state, {"NOTIFY_SOCKET": str(tmp_path / "notify")}) as service:
        assert notifications.recv(1000).startswith(b"READY=1\nSTATUS=labeling with flowers ")
        service.supervise(0.01)
        assert notifications.recv(1000) == b"WATCHDOG=1"
    assert notifications.recv(1000) == b"STOPPING=1"


def test_frames_are_labeled_and_the_socket_answers(state):
    with start_service(state) as service:
        wait_until(lambda: service.parts.status.describe(None)["frames"] > 0, "a frame is labeled")
        assert ask(state / SOCKET_NAME, make_request(ControlCommand.STATUS))["device"] == "t"
    with pytest.raises(DaemonAbsentError):
        ask(state / SOCKET_NAME, make_request(ControlCommand.STATUS))


def test_every_thread_has_ended_after_the_stop(state):
    before = set(threading.enumerate())
    with start_service(state):
        names = {thread.name for thread in set(threading.enumerate()) - before}
        assert {"publisher", "labeling", "capture", "updater", "control"} <= names
    wait_until(lambda: set(threading.enumerate()) <= before, "every thread of the service has ended")


@pytest.mark.parametrize("restart", [False, True])
def test_requested_stop_ends_the_supervision(state, restart):
    with start_service(state) as service:
        supervision = threading.Thread(target=service.supervise)
        supervision.start()
        service.request_stop(restart)
        supervision.join(10)
        assert not supervision.is_alive()
        assert service.restart_requested is restart


def test_later_stop_does_not_cancel_a_restart(state):
    with start_service(state) as service:
        service.request_stop(restart=True)
        service.request_stop()
        assert service.restart_requested


def test_requested_reload_is_carried_out_once(state, notifications, tmp_path):
    with start_service(state, {"NOTIFY_SOCKET": str(tmp_path / "notify")}) as service:
        notifications.recv(1000)
        service.request_reload()
        service.supervise(0.01)
        service.supervise(0.01)
        received = [notifications.recv(1000) for _ in range(4)]
    assert [message.split(b"=")[0] for message in received] == [b"RELOADING", b"READY", b"WATCHDOG", b"WATCHDOG"]


def test_too_much_memory_ends_the_supervision(state, monkeypatch):
    monkeypatch.setenv(MEMORY_VARIABLE, "1M")
    with start_service(state) as service, pytest.raises(ApplianceError, match=MEMORY_VARIABLE):
        service.supervise(0.01)


@pytest.mark.parametrize("failed", [False, True])
def test_only_a_failure_counts_against_the_model(state, tmp_path, failed):
    install_model(state, tmp_path / "mine")
    with start_service(state, failed=failed):
        assert Store(state, FLOWERS).read_state().start is not None
    assert (Store(state, FLOWERS).read_state().start is not None) is failed


def test_second_service_on_the_same_state_is_refused(state):
    with start_service(state) as service:
        with pytest.raises(OutboxError):
            Service(SETTINGS, state, state)
        other = state.parent / "other"
        other.mkdir()
        second = Service(SETTINGS, other, state)
        with pytest.raises(ControlError, match="another daemon"):
            second.start()
        second.stop()
        service.supervise(0.01)
