"""Test what `appliance check` reports: every part has its line, even if others fail."""

import pytest

from appliance.control.server import ControlServer
from appliance.diagnostics.check import CheckState, check_device
from appliance.errors import UpdateError
from appliance.settings.schema import (
    CameraSettings,
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

    def run(source: str = "scene", model: str = "", update: UpdateSettings | None = None):
        settings = Settings(
            device=DeviceSettings(id="t"),
            camera=CameraSettings(source=source),
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
