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
        self.live = LiveSettings(settings)
        self.switches = DeviceSwitches(self.live, self.overrides, self.reports, self.collector)
        self.switches.start(self.camera.append, lambda: self.reopened.append(True))

    def use(self, snapshots=False, collect=False):
        """Reload settings."""
        mqtt, collecting = replace(MqttSettings(), snapshots=snapshots), replace(CollectSettings(), enabled=collect)
        self.live.replace(replace(self.live.settings, mqtt=mqtt, collect=collecting))
        self.switches.apply_settings()


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


def test_switch_ends_when_the_settings_have_its_value(tmp_path):
    device = Device(tmp_path)
    device.switches.set_snapshots(True)
    device.switches.set_collect(True)
    device.use(snapshots=True, collect=True)
    assert device.reports.switches[-2:] == [("snapshots", True), ("collect", True)]
    assert (device.overrides.values.snapshots, device.overrides.values.collect) == (None, None)
    device.use(snapshots=False, collect=False)
    assert device.reports.switches[-2:] == [("snapshots", False), ("collect", False)]


def test_reload_of_other_settings_keeps_a_switch(tmp_path):
    device = Device(tmp_path)
    device.switches.set_snapshots(True)
    device.use(snapshots=False)
    assert device.reports.switches[-2] == ("snapshots", True)


def test_settings_that_need_large_frames_reopen_the_camera(tmp_path):
    device = Device(tmp_path)
    device.use(collect=True)
    device.use(collect=True, snapshots=True)
    device.use()
    assert device.reopened == [True, True]
