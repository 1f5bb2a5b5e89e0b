"""What `appliance check` finds, whatever fails: each part gets its line."""

import pytest

from appliance.diagnostics.check import check
from appliance.settings.schema import CameraSettings, DeviceSettings, LabelerSettings, MqttSettings, Settings


@pytest.fixture
def findings(tmp_path, monkeypatch):
    """The findings for a camera's source by part, where nothing runs and no broker is there."""
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))

    def look(source: str, model: str = ""):
        settings = Settings(
            device=DeviceSettings(id="t"),
            camera=CameraSettings(source=source),
            labeler=LabelerSettings(model=model),
            mqtt=MqttSettings(host="127.0.0.1", port=1),
        )
        return {finding.part: finding for finding in check(settings)}

    return look


def test_each_part_has_its_line(findings):
    found = findings("scene")
    assert list(found) == ["settings", "camera", "model", "broker", "update source", "disk", "clock"]
    assert [part for part, finding in found.items() if not finding.ok] == ["broker"]
    assert "no broker listens at 127.0.0.1:1" in found["broker"].says
    assert "a frame of 640×480 was taken" in found["camera"].says


def test_a_camera_that_fails_as_nobody_foresaw_costs_only_its_own_line(findings):
    found = findings(
        "x" * 300
    )  # longer than the system's names: it says no even to the question whether there is such a file
    assert not found["camera"].ok and "File name too long" in found["camera"].says
    assert found["model"].ok and "tried on grey" in found["model"].says


def test_a_model_that_the_settings_name_and_that_is_missing_is_said_with_the_setting(findings, tmp_path):
    found = findings("scene", str(tmp_path / "missing.zip"))
    assert not found["model"].ok and found["model"].says == f"labeler.model: {tmp_path}/missing.zip does not exist."
