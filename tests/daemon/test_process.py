"""Test the daemon as a process: signals, restarts, and which exits count against a model."""

import signal
import sys
from dataclasses import replace

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.daemon.process import run_until_stopped
from appliance.errors import ApplianceError, ControlError, SettingsError
from appliance.settings.schema import LabelerSettings
from appliance.system.memory import VARIABLE as MEMORY_VARIABLE
from appliance.updates.store.store import Store
from support.bundles import bundle_folder
from support.daemon import Daemon, settings
from support.paths import FLOWERS
from support.services import SETTINGS


@pytest.fixture(autouse=True)
def own_process_state():
    """Restore the signal handlers and the switch interval."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    handlers, interval = [signal.getsignal(number) for number in numbers], sys.getswitchinterval()
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)
    sys.setswitchinterval(interval)


@pytest.fixture
def state(tmp_path, monkeypatch):
    """Make a state folder with a model on probation, against which each failed start counts."""
    state = tmp_path / "state"
    state.mkdir()
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(state))
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Store(state, FLOWERS).install(read_bundle(bundle_folder(tmp_path / "mine")), "a test", probation=True)
    return state


def has_open_start(state):
    """Return whether the next start would count this one as failed."""
    return Store(state, FLOWERS).read_state().start is not None


def test_wrong_label_in_settings_counts_not_against_the_model(state):
    with pytest.raises(SettingsError, match="rosses"):
        run_until_stopped(replace(SETTINGS, labeler=LabelerSettings(allow=("rosses",))))
    assert not has_open_start(state)


def test_taken_socket_counts_not_against_the_model(state):
    (state / "run" / "control.sock").mkdir(parents=True)
    with pytest.raises(ControlError, match="not a socket"):
        run_until_stopped(SETTINGS)
    assert not has_open_start(state)


def test_end_because_of_memory_counts_against_the_model(state, monkeypatch):
    monkeypatch.setenv(MEMORY_VARIABLE, "1M")
    with pytest.raises(ApplianceError, match=MEMORY_VARIABLE):
        run_until_stopped(SETTINGS)
    assert has_open_start(state)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_signal_ends_it_in_order(number, tmp_path):
    with Daemon(tmp_path / "d", settings(None, "scene")) as daemon:
        daemon.wait_for_log("camera: streaming")
        daemon.process.send_signal(number)
        assert daemon.wait() == 0


def test_closed_terminal_ends_it_in_order(broker, tmp_path):
    with broker.observer() as seen, Daemon(tmp_path / "d", settings(broker, "scene")) as daemon:
        seen.wait_for("appliance/t/camera", b"online")
        daemon.process.send_signal(signal.SIGHUP)
        assert daemon.wait() == 0
        seen.wait_for("appliance/t/availability", b"offline")
        assert seen.last("appliance/t/camera") == b"offline"
        assert b"ON" not in [seen.last(f"appliance/t/label/{label}") for label in ("tulips", "roses", "daisy")]


def test_hangup_reloads_if_asked_to(tmp_path):
    with Daemon(tmp_path / "d", settings(None, "scene"), options=("--reload-on-hup",)) as daemon:
        daemon.wait_for_log("camera: streaming")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for_log("settings reloaded")
        assert daemon.stop() == 0


def test_hangup_that_nohup_ignores_changes_nothing(tmp_path):
    ignoring = (
        "import signal, sys, runpy; signal.signal(signal.SIGHUP, signal.SIG_IGN); del sys.argv[1:3];"
        "runpy.run_module('appliance', run_name='__main__')"
    )
    with Daemon(tmp_path / "d", settings(None, "scene"), python=(sys.executable, "-c", ignoring)) as daemon:
        daemon.wait_for_log("camera: streaming")
        daemon.process.send_signal(signal.SIGHUP)
        assert daemon.stop() == 0


def test_restart_replaces_the_process_image(broker, tmp_path):
    with broker.observer() as seen, Daemon(tmp_path / "d", settings(broker, "scene")) as daemon:
        seen.wait_for("appliance/t/availability", b"online")
        seen.publish("appliance/t/restart", "PRESS")
        seen.wait_for("appliance/t/availability", b"online", count=2)
        assert daemon.process.poll() is None
        assert daemon.count_lines("device t") == 2
        assert daemon.stop() == 0


def test_restart_under_systemd_exits_for_it(broker, tmp_path):
    environ = {"NOTIFY_SOCKET": str(tmp_path / "nobody")}
    with broker.observer() as seen, Daemon(tmp_path / "d", settings(broker, "scene"), environ) as daemon:
        seen.wait_for("appliance/t/availability", b"online")
        seen.publish("appliance/t/restart", "PRESS")
        assert daemon.wait() == 0
        assert seen.last("appliance/t/availability") == b"offline"
