"""Test the switches for labeling, snapshots and the collection of frames."""

from dataclasses import replace

import pytest

from appliance.daemon.device_switches import DeviceSwitches
from appliance.daemon.live_settings import LiveSettings
from appliance.daemon.overrides import OverrideFile
from appliance.settings.schema import CollectSettings, MqttSettings, Settings
from support.labeling_device import ReportLog


class Collector:
    """Records whether it was turned on or off."""

    enabled = None

    def set_enabled(self, enabled):
        self.enabled = enabled


class Device:
    """Switches with settings, and what they affect."""

    def __init__(self, folder, snapshots=False, collect=False):
        settings = Settings(
            mqtt=replace(MqttSettings(), snapshots=snapshots), collect=replace(CollectSettings(), enabled=collect)
        )
        self.reports, self.collector, self.camera, self.reopened = ReportLog(), Collector(), [], []
        self.overrides = OverrideFile(folder)
        self.switches = DeviceSwitches(LiveSettings(settings), self.overrides, self.reports, self.collector)
        self.switches.start(self.camera.append, lambda: self.reopened.append(True))


def test_running_is_stored_applied_and_reported(tmp_path):
    device = Device(tmp_path)
    device.switches.set_running(False)
    assert (device.camera, device.reports.running) == ([True, False], [True, False])
    again = Device(tmp_path)
    assert (again.camera, again.reports.running) == ([False], [False])


@pytest.mark.parametrize("on", [True, False])
def test_settings_decide_until_a_command_comes(tmp_path, on):
    device = Device(tmp_path, snapshots=on, collect=on)
    assert device.reports.switches == [("snapshots", on), ("collect", on)]
    assert device.collector.enabled is on
    device.switches.set_snapshots(not on)
    device.switches.set_collect(not on)
    assert device.reports.switches[-2:] == [("snapshots", not on), ("collect", not on)]
    assert device.collector.enabled is not on
    again = Device(tmp_path, snapshots=on, collect=on)
    assert again.reports.switches == [("snapshots", not on), ("collect", not on)]


def test_camera_is_reopened_only_if_its_frame_size_changes(tmp_path):
    device = Device(tmp_path)
    device.switches.set_snapshots(True)
    device.switches.set_collect(True)
    device.switches.set_snapshots(False)
    assert device.reopened == [True]
    device.switches.set_collect(False)
    assert device.reopened == [True, True]
