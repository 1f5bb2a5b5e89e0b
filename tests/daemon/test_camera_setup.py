"""Test the frame size that is requested from the camera, and the reaction to changes of its state."""

from dataclasses import replace

import pytest

from appliance.camera.capture import CameraStatus
from appliance.camera.source import CameraState
from appliance.daemon.camera_setup import CameraOpener, CameraStatusHandler
from appliance.daemon.device_switches import DeviceSwitches
from appliance.daemon.live_settings import LiveSettings
from appliance.daemon.overrides import OverrideFile
from appliance.settings.schema import CameraSettings, MqttSettings, Settings


def make_opener(live, folder):
    return CameraOpener(live, None, DeviceSwitches(live, OverrideFile(folder), None, None))


@pytest.mark.parametrize(
    ("camera", "snapshots", "expected"),
    [
        (CameraSettings(), False, (224, 160)),
        (CameraSettings(region=(0.0, 0.0, 0.5, 0.25)), False, (448, 640)),
        (CameraSettings(rotation=90), False, (160, 224)),
        (CameraSettings(), True, (1280, 720)),
    ],
)
def test_wanted_size_follows_model_region_rotation_and_snapshots(camera, snapshots, expected, tmp_path):
    settings = Settings(camera=camera, mqtt=replace(MqttSettings(), snapshots=snapshots))
    assert make_opener(LiveSettings(settings), tmp_path).wanted_px((224, 160)) == expected


def test_wanted_size_follows_settings_that_were_reloaded(tmp_path):
    live = LiveSettings(Settings())
    opener = make_opener(live, tmp_path)
    live.replace(Settings(camera=CameraSettings(region=(0.0, 0.0, 0.5, 0.5))))
    assert opener.wanted_px((100, 100)) == (200, 200)


def test_page_asks_for_frames_that_people_can_look_at(tmp_path):
    live = LiveSettings(Settings())
    switches = DeviceSwitches(live, OverrideFile(tmp_path), None, None)
    assert CameraOpener(live, None, switches, has_pictures=True).wanted_px((224, 160)) == (640, 480)


class Calls:
    """Records the calls of the handler."""

    def __init__(self):
        self.made = []

    def note_camera(self, state):
        self.made.append(state)

    def request_stats(self):
        self.made.append("stats")


@pytest.mark.parametrize("state", list(CameraState))
def test_each_state_reaches_the_pipeline_and_the_statistics(state):
    calls = Calls()
    CameraStatusHandler(calls, calls.request_stats).on_change(CameraStatus(state=state))
    assert calls.made == [state, "stats"]
