"""A device without camera and broker: the real store, pipeline, model switch, update host and commands, connected."""

import threading
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.commands import DeviceCommands, DeviceQueries
from appliance.daemon.device_switches import DeviceSwitches
from appliance.daemon.live_settings import LiveSettings
from appliance.daemon.meter import Meter
from appliance.daemon.model_switch import ModelSwitch
from appliance.daemon.overrides import OverrideFile
from appliance.daemon.pipeline import Pipeline
from appliance.daemon.results import ResultDispatcher
from appliance.daemon.update_host import UpdateHost
from appliance.imaging.frame import Frame
from appliance.imaging.frame_slot import FrameSlot
from appliance.imaging.view import View
from appliance.settings.schema import EventSettings, LabelerSettings, Settings
from support.broker import wait_until
from support.paths import FLOWERS

LABELS = read_bundle(FLOWERS).labels


class ReportLog:
    """Records what would be published over MQTT."""

    def __init__(self):
        self.models, self.updates, self.running, self.switches = [], [], [], []

    def report_model(self, payload):
        self.models.append(payload)

    def report_update(self, payload):
        self.updates.append(payload)

    def report_running(self, running):
        self.running.append(running)

    def report_snapshots(self, on):
        self.switches.append(("snapshots", on))

    def report_collect(self, on):
        self.switches.append(("collect", on))


class LabelingDevice:
    """A device whose active model is `two` and whose previous model is `one`; `close` ends its thread."""

    def __init__(self, folder: Path, one=LABELS, two=LABELS):
        (folder / "state").mkdir()
        self.active = ActiveModel(folder / "state", LabelerSettings(), View(), "scene")
        for name, labels in (("one", one), ("two", two)):
            bundle = read_bundle(FLOWERS)
            write_bundle(replace(bundle, labels=labels, identity=replace(bundle.identity, name=name)), folder / name)
            self.active.store.install(read_bundle(folder / name), "a test", probation=name == "two")
        self.active.current = self.active.load()
        self.results, numbers = ResultDispatcher(), count(1)
        self._slot, self._numbers = FrameSlot(), count(1)
        self.pipeline = Pipeline(
            self._slot, LabelerSettings(), EventSettings(), self.results, lambda: f"id-{next(numbers)}", Meter()
        )
        self.reports = ReportLog()
        self.overrides = OverrideFile(folder / "state")
        self.allowed: list[tuple[str, ...]] = []
        self.switch = ModelSwitch(self.active, self.pipeline, self.overrides, self.allowed.append)
        self.host = UpdateHost(self.active, self.pipeline, self.switch, self.reports)
        self.results.register(self.host)
        self.commands = DeviceCommands(
            self.switch,
            self.active,
            DeviceSwitches(LiveSettings(Settings()), self.overrides, self.reports, None),
            self.reports,
            self.host.report_step,
            None,
            lambda: None,
            DeviceQueries(dict, dict, dict),
        )
        self.pipeline.use(self.switch.prepare_first_engine())
        self.thread = threading.Thread(target=self.pipeline.run, daemon=True)
        self.thread.start()
        wait_until(lambda: self.pipeline.engine is not None, "the device labels")

    def close(self):
        self.pipeline.stop()
        self.thread.join(10)

    def allow(self, *labels):
        """Apply settings that allow these labels; return when they are in effect."""
        before = self.pipeline.engine
        self.switch.apply_settings(LabelerSettings(allow=labels), EventSettings(), View(), reload_model=False)
        wait_until(lambda: self.pipeline.engine is not before, "the settings are in effect")

    def wait_for_model(self, name):
        """Wait until the model of this name labels."""
        wait_until(lambda: self.labeling == name, f"{name} labels")

    def show_until(self, gray, condition):
        """Show pictures of one gray value until the condition is true."""

        def show():
            number = next(self._numbers)
            self._slot.put(Frame(np.full((8, 8, 3), gray, np.uint8), 1000.0 + number, float(number), number))
            return condition()

        wait_until(show, "the condition is true")

    @property
    def labeling(self):
        """The name of the model that labels."""
        return self.pipeline.engine.labeler.identity.name

    @property
    def stored(self):
        """The name of the model that the next start loads."""
        current = self.active.store.read_state().current
        return current.name if current else "flowers"

    @property
    def threshold(self):
        """The common threshold in use."""
        return self.pipeline.engine.filter.threshold
