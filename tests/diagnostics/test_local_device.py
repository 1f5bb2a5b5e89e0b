"""A camera and a model in this process."""

import pytest

from appliance.diagnostics.local_device import LocalDevice, capture_frame
from appliance.errors import CameraError
from appliance.settings.schema import CameraSettings, LabelerSettings, Settings
from support.broker import wait_until


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))


def test_frames_are_labeled_until_the_end():
    settings = Settings(camera=CameraSettings(source="scene", fps=20), labeler=LabelerSettings(deny=("roses",)))
    with LocalDevice(settings) as device:
        wait_until(lambda: device.observe()["frame"], "a frame is labeled")
        observation = device.observe()
    assert observation["camera"]["state"] == "streaming"
    assert observation["model"]["name"] == "flowers"
    assert observation["scores"] and "roses" not in {entry["label"] for entry in observation["scores"]}


def test_absent_camera_is_a_state():
    with LocalDevice(Settings(camera=CameraSettings(source="/nowhere.mp4"))) as device:
        wait_until(lambda: device.observe()["camera"]["state"] == "absent", "the camera is absent")
        assert "/nowhere.mp4" in device.observe()["camera"]["reason"]


def test_one_frame_is_captured():
    assert capture_frame(CameraSettings(source="scene")).shape[2] == 3
    with pytest.raises(CameraError):
        capture_frame(CameraSettings(source="/nowhere.mp4"))
