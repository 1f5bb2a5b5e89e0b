"""Turn labeling, the publishing of snapshots and the collection of frames on and off while the daemon runs."""

from collections.abc import Callable

from appliance.collection.collector import Collector
from appliance.daemon.live_settings import LiveSettings
from appliance.daemon.overrides import OverrideFile
from appliance.messaging.reports import Reports


class DeviceSwitches:
    """The switches. Safe to use from any thread.

    A value set by a command is kept across restarts, until the settings have the same value.
    """

    def __init__(self, live: LiveSettings, overrides: OverrideFile, reports: Reports, collector: Collector):
        """Keep references to the parts that a switch affects; `start` adds the camera."""
        self._live, self._overrides = live, overrides
        self._reports, self._collector = reports, collector
        self._has_large_frames = False
        self._set_camera: Callable[[bool], None] = lambda _: None
        self._reopen_camera: Callable[[], None] = lambda: None

    @property
    def running(self) -> bool:
        """Whether labeling is on."""
        return self._overrides.values.running

    @property
    def snapshots(self) -> bool:
        """Whether the picture that started an event is published."""
        override = self._overrides.values.snapshots
        return self._live.settings.mqtt.snapshots if override is None else override

    @property
    def collect(self) -> bool:
        """Whether frames are collected."""
        override = self._overrides.values.collect
        return self._live.settings.collect.enabled if override is None else override

    @property
    def wants_large_frames(self) -> bool:
        """Whether frames are for people too, who need more than the model's input size."""
        return self.snapshots or self.collect

    def start(self, set_camera: Callable[[bool], None], reopen_camera: Callable[[], None]) -> None:
        """Apply all switches.

        Args:
            set_camera: Turns the camera on or off.
            reopen_camera: Opens the camera again, with another frame size.
        """
        self._set_camera, self._reopen_camera = set_camera, reopen_camera
        self._reports.report_running(self.running)
        set_camera(self.running)
        self._apply_picture_switches()

    def set_running(self, on: bool) -> None:
        """Turn labeling on or off."""
        self._overrides.set_running(on)
        self._set_camera(on)
        self._reports.report_running(on)

    def set_snapshots(self, on: bool) -> None:
        """Turn the publishing of snapshots on or off."""
        self._overrides.set_snapshots(on)
        self.apply_settings()

    def set_collect(self, on: bool) -> None:
        """Turn the collection of frames on or off."""
        self._overrides.set_collect(on)
        self.apply_settings()

    def apply_settings(self) -> None:
        """Apply the switches for pictures after a command or a reload of the settings."""
        was_large = self._has_large_frames
        self._apply_picture_switches()
        if self._has_large_frames != was_large:
            self._reopen_camera()

    def _apply_picture_switches(self) -> None:
        settings, values = self._live.settings, self._overrides.values
        if values.snapshots is settings.mqtt.snapshots:
            self._overrides.set_snapshots(None)
        if values.collect is settings.collect.enabled:
            self._overrides.set_collect(None)
        self._has_large_frames = self.wants_large_frames
        self._reports.report_snapshots(self.snapshots)
        self._collector.set_enabled(self.collect)
        self._reports.report_collect(self.collect)
