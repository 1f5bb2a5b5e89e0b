"""What watch and snapshot show: the running daemon, the installed service, or a camera of their own."""

import argparse
from pathlib import Path

import pytest

from appliance.cli.live_source import ask_daemon, choose_source
from appliance.control.protocol import ControlCommand
from appliance.control.server import ControlServer
from appliance.errors import ControlError
from appliance.settings.fingerprint import hash_settings
from appliance.settings.load import load_settings
from appliance.system.paths import find_control_socket


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def daemon():
    path = find_control_socket()
    path.parent.mkdir(parents=True)
    report = {"setting_hashes": hash_settings(load_settings())}
    with ControlServer(path, lambda request: report | request):
        yield


def choose(config=None, local=False):
    return choose_source(argparse.Namespace(config=config, local=local))


def test_running_daemon_is_shown_unless_local_is_given(daemon):
    assert choose().is_daemon
    assert not choose(local=True).is_daemon
    assert ask_daemon(ControlCommand.OBSERVE)["command"] == "observe"


def test_camera_is_opened_here_without_a_service():
    assert not choose().is_daemon


def test_stopped_service_is_reported_with_the_command_that_starts_it(monkeypatch):
    monkeypatch.setattr("appliance.system.paths.is_service_installed", lambda: True)
    with pytest.raises(ControlError, match="sudo systemctl start appliance"):
        choose()
    assert not choose(local=True).is_daemon


def test_stopped_service_of_a_further_camera_is_named_by_its_file(monkeypatch, tmp_path):
    file = tmp_path / "garden.toml"
    file.write_text("")
    monkeypatch.setattr("appliance.system.paths.SYSTEM_SETTINGS", tmp_path)
    monkeypatch.setattr("appliance.system.paths.find_unit", lambda: "appliance@garden")
    with pytest.raises(ControlError, match="sudo systemctl start appliance@garden"):
        choose(config=file)
    elsewhere = tmp_path / "mine" / "garden.toml"
    elsewhere.parent.mkdir()
    elsewhere.write_text("")
    assert not choose(config=elsewhere).is_daemon, "a file of one's own is no service"


def test_file_with_other_settings_is_not_mistaken_for_the_daemons(daemon, tmp_path):
    (tmp_path / "same.toml").write_text("")
    assert choose(config=Path(tmp_path / "same.toml")).is_daemon
    (tmp_path / "other.toml").write_text('[camera]\nsource = "scene"\n')
    with pytest.raises(ControlError, match=r"camera.source.*--local"):
        choose(config=Path(tmp_path / "other.toml"))
    assert choose(config=Path(tmp_path / "other.toml"), local=True).settings.camera.source == "scene"
