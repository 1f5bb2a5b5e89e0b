"""Test what `appliance check` reports: every part has its line, even if others fail."""

import os
from dataclasses import replace

import pytest

from appliance.control.server import ControlServer
from appliance.diagnostics.check import CheckState, check_device
from appliance.errors import ControlAccessError, UpdateError
from appliance.settings.fingerprint import hash_settings
from appliance.settings.schema import (
    CameraSettings,
    CollectSettings,
    DeviceSettings,
    LabelerSettings,
    MqttSettings,
    Settings,
    UpdateSettings,
)
from appliance.system.paths import find_control_socket

CAMERA = {"state": "streaming", "reason": None, "description": "a test camera", "last_frame_age_s": 0.5}
DAEMON = {
    "version": "1.0",
    "device": "t",
    "settings": None,
    "camera": CAMERA,
    "labels": ["roses"],
    "model": {"name": "flowers", "version": "2.0", "sha256": "ab"},
    "runtime": "a runtime",
    "labeling_trouble": None,
    "broker": {"connected": False, "trouble": "the broker refuses the password"},
}


@pytest.fixture
def run_checks(tmp_path, monkeypatch):
    """Return a function that checks a device without a broker, and returns the results by part."""
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))

    def run(source: str = "scene", model: str = "", update: UpdateSettings | None = None, loop: bool = True):
        settings = Settings(
            device=DeviceSettings(id="t"),
            camera=CameraSettings(source=source, loop=loop),
            labeler=LabelerSettings(model=model),
            mqtt=MqttSettings(host="127.0.0.1", port=1),
            update=update or UpdateSettings(),
        )
        return {result.part: result for result in check_device(settings)}

    return run


@pytest.fixture
def run_checks_with_daemon(run_checks):
    """Return a function that checks a device whose daemon reports the given values."""

    def run(report=None, update_status=None, **options):
        def answer(request):
            if request["command"] == "status":
                return DAEMON | (report or {})
            if update_status is None:
                raise UpdateError("no update status in this test")
            return update_status

        path = find_control_socket()
        path.parent.mkdir(parents=True, exist_ok=True)
        with ControlServer(path, answer):
            return run_checks(**options)

    return run


def test_every_part_has_its_line(run_checks):
    results = run_checks()
    assert list(results) == ["settings", "camera", "model", "broker", "update source", "disk", "clock"]
    assert [part for part, result in results.items() if not result.is_ok] == ["broker"]
    assert "127.0.0.1:1" in results["broker"].message
    assert "640×480" in results["camera"].message


def test_unexpected_camera_error_fails_only_its_own_line(run_checks):
    results = run_checks("x" * 300)  # longer than the system allows for file names, so even testing for the file fails
    assert not results["camera"].is_ok
    assert "File name too long" in results["camera"].message
    assert results["model"].is_ok
    assert "gray" in results["model"].message


def test_missing_model_names_the_setting(run_checks, tmp_path):
    result = run_checks(model=str(tmp_path / "missing.zip"))["model"]
    assert not result.is_ok
    assert result.message.startswith(f"labeler.model: {tmp_path}/missing.zip")


def test_folder_that_waits_for_its_first_picture_is_reported_soon(run_checks, tmp_path, monkeypatch):
    monkeypatch.setattr("appliance.diagnostics.check._FOLDER_LIMIT_S", 0.1)
    result = run_checks(source=str(tmp_path), loop=False)["camera"]
    assert not result.is_ok and "no frame arrived within 0.1 s" in result.message


def test_json_keys_stay(run_checks):
    entry = run_checks()["settings"].as_dict()
    assert entry == {"part": "settings", "ok": True, "says": entry["says"]}
    assert [str(state) for state in CheckState] == ["ok", "NOT OK"]


def test_running_daemon_reports_camera_model_and_broker(run_checks_with_daemon):
    results = run_checks_with_daemon()
    assert list(results) == ["settings", "daemon", "camera", "model", "broker", "update source", "disk", "clock"]
    assert "a test camera" in results["camera"].message
    assert "0.5 s" in results["camera"].message
    assert results["model"].message.startswith("flowers 2.0 on a runtime")
    assert "roses" in results["model"].message
    assert results["broker"].message == "the broker refuses the password"
    assert [part for part, result in results.items() if not result.is_ok] == ["broker"]


@pytest.mark.parametrize(
    ("changes", "is_ok", "text"),
    [
        ({"state": "off"}, True, "running is OFF"),
        ({"last_frame_age_s": 60.0}, False, "no frame in the last 10 s"),
        ({"last_frame_age_s": 12.0, "frame_limit_s": 30.0}, True, "12.0 s old"),  # a picture every 10 s
        ({"last_frame_age_s": 31.0, "frame_limit_s": 30.0}, False, "no frame in the last 30 s"),
        ({"last_frame_age_s": 9999.0, "frame_limit_s": None}, True, "9999.0 s old"),  # a folder that is followed
        ({"state": "absent", "reason": "there is no camera"}, False, "there is no camera"),
    ],
)
def test_daemon_without_fresh_frames(run_checks_with_daemon, changes, is_ok, text):
    result = run_checks_with_daemon({"camera": CAMERA | changes})["camera"]
    assert result.is_ok is is_ok
    assert text in result.message


def test_daemon_that_cannot_label_fails_the_model(run_checks_with_daemon):
    result = run_checks_with_daemon({"labeling_trouble": "the model is broken"})["model"]
    assert (result.is_ok, result.message) == (False, "the model is broken")


@pytest.mark.parametrize(
    ("changes", "is_ok", "text"),
    [
        ({"asked": False}, True, "not yet checked"),
        ({"latest": "2.0"}, True, "https://example.org: 2.0 is offered"),
        ({"passed_over": "2.0 was rejected"}, True, "nothing newer: 2.0 was rejected"),
        ({}, True, "nothing newer"),
        ({"trouble": "no network"}, False, "no network"),
    ],
)
def test_daemon_reports_the_update_source(run_checks_with_daemon, changes, is_ok, text):
    status = {"origin": "https://example.org", "asked": True, "latest": None, "passed_over": None, "trouble": None}
    update = UpdateSettings(source="url", url="https://example.org/manifest.json")
    result = run_checks_with_daemon(update_status=status | changes, update=update)["update source"]
    assert result.is_ok is is_ok
    assert text in result.message


def run_with_file(config, in_force, report=None):
    """Check a settings file beside a daemon with other settings; return the results by part."""
    path = find_control_socket()
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = DAEMON | {"setting_hashes": hash_settings(in_force), "broker": {"connected": True, "trouble": None}}
    with ControlServer(path, lambda _: answer | (report or {})):
        return {result.part: result for result in check_device(config, is_file_given=True)}


@pytest.fixture
def in_force(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    return Settings(device=DeviceSettings(id="t"), camera=CameraSettings(source="/dev/video0"))


def test_only_what_the_file_changes_is_checked_without_the_daemon(in_force):
    same = run_with_file(in_force, in_force)
    assert "a test camera" in same["camera"].message and "other values" not in same["settings"].message
    camera = run_with_file(replace(in_force, camera=CameraSettings(source="scene")), in_force)
    assert "640×480" in camera["camera"].message
    assert "camera.source" in camera["settings"].message
    model = run_with_file(replace(in_force, labeler=LabelerSettings(model="/nowhere.zip")), in_force)
    assert model["camera"].message.startswith("a test camera")
    assert not model["model"].is_ok and "/nowhere.zip" in model["model"].message


def test_camera_that_the_service_holds_is_not_opened_for_other_keys(in_force):
    file = replace(in_force, camera=replace(in_force.camera, fps=1, rotation=90))
    result = run_with_file(file, in_force)["camera"]
    assert result.is_ok and "not tested" in result.message and "camera.fps" in result.message


def test_broker_of_the_file_is_checked_even_if_the_services_fails(in_force):
    file = replace(in_force, mqtt=MqttSettings(host="127.0.0.1", port=1))
    result = run_with_file(file, in_force, {"broker": {"connected": False, "trouble": "the old broker is away"}})
    assert "127.0.0.1:1" in result["broker"].message


def test_collecting_of_the_file_is_checked_instead_of_the_services(in_force, tmp_path):
    entry = {"folder": "/shared", "max_bytes": 1, "pictures": 0, "bytes": 0, "missed": 0, "trouble": "another daemon"}
    collecting = replace(in_force, collect=CollectSettings(enabled=True))
    assert "collecting" not in run_with_file(in_force, collecting, {"collect": entry})
    own = run_with_file(replace(collecting, collect=CollectSettings(enabled=True, dir=tmp_path)), collecting)
    assert own["collecting"].is_ok and str(tmp_path) in own["collecting"].message
    assert not run_with_file(collecting, collecting, {"collect": entry})["collecting"].is_ok


def test_update_source_of_the_file_is_asked_directly(in_force):
    file = replace(in_force, update=UpdateSettings(source="url", url="http://127.0.0.1:1/manifest.json"))
    result = run_with_file(file, in_force)["update source"]
    assert not result.is_ok and "127.0.0.1:1" in result.message


def test_history_that_cannot_be_written_has_its_line(run_checks_with_daemon):
    results = run_checks_with_daemon({"history": {"folder": "/x", "trouble": "the history in /x cannot be written"}})
    assert not results["history"].is_ok and "cannot be written" in results["history"].message
    assert "history" not in run_checks_with_daemon({"history": {"folder": "/x", "trouble": None}})


def test_settings_that_the_daemon_has_not_loaded_yet_are_named(in_force):
    path = find_control_socket()
    path.parent.mkdir(parents=True, exist_ok=True)
    old = hash_settings(replace(in_force, mqtt=MqttSettings(host="old")))
    with ControlServer(path, lambda _: DAEMON | {"setting_hashes": old}):
        results = {result.part: result for result in check_device(in_force)}
    assert "not yet in effect: mqtt.host" in results["settings"].message
    assert results["camera"].message.startswith("a test camera"), "without --config, the service is meant"


def test_other_file_of_the_daemon_is_named(in_force):
    path = find_control_socket()
    path.parent.mkdir(parents=True, exist_ok=True)
    old = hash_settings(replace(in_force, mqtt=MqttSettings(host="old")))
    with ControlServer(path, lambda _: DAEMON | {"setting_hashes": old, "settings": "/srv/other.toml"}):
        results = {result.part: result for result in check_device(in_force)}
    assert "the running service uses /srv/other.toml instead" in results["settings"].message
    assert "restart" not in results["settings"].message


@pytest.mark.parametrize(
    "report",
    [{"camera": None}, {"camera": {"state": 3}}, {"model": []}, {"broker": "x"}, {"labels": 7}],
    ids=str,
)
def test_answer_of_another_version_fails_only_its_own_lines(run_checks_with_daemon, report):
    results = run_checks_with_daemon(report)
    assert list(results) == ["settings", "daemon", "camera", "model", "broker", "update source", "disk", "clock"]
    assert any("the same version" in result.message for result in results.values() if not result.is_ok)


@pytest.mark.skipif(os.geteuid() != 0, reason="acts as another account, which only root can")
def test_account_that_may_not_contact_the_daemon_is_told_so(in_force, open_folder, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(open_folder))
    path = find_control_socket()
    path.parent.mkdir(parents=True, exist_ok=True)
    with ControlServer(path, lambda _: DAEMON):
        path.chmod(0o600)
        os.seteuid(65534)
        try:
            with pytest.raises(ControlAccessError, match="sudo"):
                list(check_device(in_force))
        finally:
            os.seteuid(0)
