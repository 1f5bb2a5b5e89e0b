"""The settings in force, with where each comes from."""

from pathlib import Path

from appliance.settings.in_force import describe_settings
from appliance.settings.schema import CameraSettings, LabelerSettings, Settings


def test_setting_has_its_source(tmp_path):
    settings = Settings(
        camera=CameraSettings(source="rtsp://cam/stream?key=secret", size=(640, 480)),
        labeler=LabelerSettings(thresholds={"a": 0.5}),
        path=tmp_path / "a.toml",
    )
    found = {item.key: item for item in describe_settings(settings, {"APPLIANCE_MQTT__HOST": "h"})}
    assert found["mqtt.host"].source == "APPLIANCE_MQTT__HOST"
    assert (found["camera.size"].value, found["camera.size"].source) == ([640, 480], str(settings.path))
    assert (found["camera.fps"].source, found["camera.fps"].default) == ("default", 5.0)
    assert found["camera.source"].value == "rtsp://cam/stream"
    assert found["labeler.thresholds"].value == {"a": 0.5} and "path" not in found
    assert all(item.description for item in found.values())


def test_paths_are_texts():
    settings = Settings(camera=CameraSettings(password_file=Path("/etc/x"), username="u"))
    found = {item.key: item.value for item in describe_settings(settings, {})}
    assert found["camera.password_file"] == "/etc/x"
