"""Reload the settings while the daemon runs (SIGHUP)."""

import logging
from dataclasses import dataclass
from pathlib import Path

from appliance.camera.capture import Capture
from appliance.collection.collector import Collector
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.camera_setup import CameraOpener
from appliance.daemon.device_switches import DeviceSwitches
from appliance.daemon.live_settings import LiveSettings
from appliance.daemon.model_switch import ModelSwitch
from appliance.errors import ApplianceError
from appliance.imaging.view import View
from appliance.messaging.reports import Reports
from appliance.settings.changes import Changes, compare_settings
from appliance.settings.credentials import apply_credentials
from appliance.settings.load import load_settings
from appliance.settings.path_access import check_paths
from appliance.system.logs import configure_logging
from appliance.system.paths import find_unit
from appliance.system.systemd import Notifier
from appliance.updates.updater import Updater

log = logging.getLogger("appliance.daemon")


@dataclass(frozen=True, slots=True)
class PictureParts:
    """The parts that publish and collect.

    Attributes:
        default_folder: The folder for collected frames unless collect.dir names one.
    """

    reports: Reports
    collector: Collector
    switches: DeviceSwitches
    default_folder: Path


class SettingsReloader:
    """Apply the settings that can change while the daemon runs, and report those that need a restart."""

    def __init__(
        self,
        live: LiveSettings,
        switch: ModelSwitch,
        active: ActiveModel,
        capture: Capture,
        opener: CameraOpener,
        updater: Updater,
        pictures: PictureParts,
        notifier: Notifier,
    ):
        """Keep references to the parts that use the settings."""
        self._live = live
        self._switch = switch
        self._active = active
        self._capture = capture
        self._opener = opener
        self._updater = updater
        self._pictures = pictures
        self._notifier = notifier

    def reload(self) -> None:
        """Reload the settings; log invalid settings and change nothing."""
        self._notifier.notify_reloading()
        try:
            loaded = load_settings(self._live.settings.path)
            check_paths(loaded)
            changes = compare_settings(self._live.settings, apply_credentials(loaded))
            if changes.labels:
                settings = changes.settings
                view = View.from_settings(settings.camera)
                self._switch.apply_settings(
                    settings.labeler, settings.events, view, changes.model, settings.camera.source
                )
        except ApplianceError as error:
            log.error("reload failed, keeping the previous settings: %s", error)
            self._notifier.notify_ready(f"the new settings are invalid, keeping the previous ones: {error}")
            return
        self._live.replace(changes.settings)
        self._notify_parts(changes)
        log.info("settings reloaded; %s", f"changed: {', '.join(changes.live)}" if changes.live else "nothing changed")
        if changes.restart:
            unit = find_unit()
            when = f"`sudo systemctl restart {unit}`" if unit else "a restart"
            log.warning("these take effect after %s: %s", when, ", ".join(changes.restart))
        identity = self._active.current.identity
        self._notifier.notify_ready(f"labeling with {identity.name} {identity.version}")

    def reopen_camera(self) -> None:
        """Open the camera again, because another frame size is required."""
        self._capture.use_camera(self._opener.open, self._live.settings.camera.fps)

    def _notify_parts(self, changes: Changes) -> None:
        settings = self._live.settings
        if changes.camera:
            self.reopen_camera()
            self._updater.set_fps(settings.camera.fps)
        if changes.model:
            self._updater.notify_store_changed()
        if changes.update:
            self._updater.set_interval(settings.update.interval_s)
        if changes.collect:
            collect = settings.collect
            self._pictures.collector.use(collect, collect.dir or self._pictures.default_folder, self._live.view)
        if changes.mqtt:
            self._pictures.reports.limit_labels(settings.mqtt.labels_per_s)
        if changes.mqtt or changes.collect:
            self._pictures.switches.apply_settings()
        if changes.log:
            configure_logging(settings.log.level, settings.log.format)
