"""The device as the page sees it (web.device.PageDevice)."""

import dataclasses
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance import __version__
from appliance.bundle.bundle import Bundle, read_bundle
from appliance.bundle.documents import has_report, read_card, read_report
from appliance.bundle.input_spec import DeclaredInput, override
from appliance.bundle.provenance import Provenance, describe_provenance
from appliance.daemon.commands import DeviceCommands
from appliance.daemon.page.check import check_by_command, check_by_status
from appliance.daemon.page.install import install_uploaded
from appliance.daemon.page.prediction import open_prediction_labeler
from appliance.daemon.page.sources import PageSources
from appliance.daemon.page.status import describe_best, describe_current, describe_running_model, describe_status
from appliance.daemon.teaching.build import Teaching
from appliance.errors import ModelError, RequestError, StoreError
from appliance.history.history import History
from appliance.labeling.labeler import Labeler
from appliance.labeling.preprocess import turn_upright
from appliance.settings.in_force import describe_settings
from appliance.system.timestamps import to_rfc3339
from appliance.web.device import LiveFrame
from appliance.web.teaching_device import DatasetDevice, TrainingDevice

log = logging.getLogger("appliance.web")


class DaemonDevice:
    """Answers the page's questions from the parts of the daemon. Safe to use from any thread."""

    def __init__(self, sources: PageSources, commands: DeviceCommands, teaching: Teaching):
        """Keep references.

        Args:
            sources: The parts.
            commands: The command table, which MQTT and the control socket use too.
            teaching: The dataset of the device and the training on it.
        """
        self._sources, self._commands, self._teaching = sources, commands, teaching
        teaching.find_blocked_reason = lambda: self.upload_blocked_reason
        self._install_lock = threading.Lock()

    @property
    def device_id(self) -> str:
        """The device id."""
        return self._sources.parts.device

    @property
    def name(self) -> str:
        """The display name."""
        return self._sources.parts.live.settings.device.name or f"Camera {self.device_id}"

    @property
    def upload_blocked_reason(self) -> str | None:
        """Why no model can be uploaded; None if one can be."""
        settings = self._sources.parts.live.settings
        allowed = settings.update.source != "repository" if settings.web.upload is None else settings.web.upload
        if not allowed:
            why = "web.upload is false"
            if settings.web.upload is None:
                why = "models come signed from update.source = repository; set web.upload = true to allow others"
            return f"models cannot be uploaded: {why}"
        return self._sources.parts.active.delivery_blocked_reason

    @property
    def history(self) -> History | None:
        """The history of events; None if none is kept."""
        recorder = self._sources.parts.history
        return History(recorder.folder) if recorder else None

    @property
    def dataset(self) -> DatasetDevice:
        """The dataset on the device."""
        return self._teaching.dataset

    @property
    def training(self) -> TrainingDevice:
        """Training on the device."""
        return self._teaching.training

    def use_notify(self, notify: Callable[[str, Mapping[str, Any] | None], None]) -> None:
        """Pass what changes on to the page."""
        self._sources.listener.notify = notify
        self._teaching.use_notify(notify)
        self._sources.stats.on_point = lambda point: notify("stats", point)
        self._sources.log.on_line = lambda line: notify("log", line)

    def describe_status(self) -> dict[str, Any]:
        """Return the object of GET /api/status, without `viewers`."""
        status = describe_status(self._sources, __version__, self.name)
        return status | {"upload": self.upload_blocked_reason is None}

    def describe_labels(self) -> dict[str, Any] | None:
        """Return the newest labels for the stream; None before the first frame."""
        result = self._sources.parts.latest.result
        if result is None:
            return None
        return {
            "time": to_rfc3339(result.frame.time),
            "frame": result.frame.number,
            "labels": describe_best(self._sources, 5),
            **describe_current(self._sources.listener),
            "inference_ms": round(result.engine.labeler.inference_ms, 2),
        }

    def latest_frame(self) -> LiveFrame | None:
        """Return the newest frame; None if there is none or the camera is off."""
        result, view = self._sources.parts.latest.result, self._sources.parts.live.view
        if result is None or not self._sources.parts.switches.running:
            return None
        pixels = result.frame.pixels
        return LiveFrame(result.frame.number, lambda: turn_upright(pixels, view))

    def execute(self, command: str, argument: Any = None) -> Any:
        """Run a command of the daemon's table and wait for its answer.

        Raises:
            ApplianceError: It cannot be carried out.
        """
        return self._commands.execute(command, argument)

    def active_bundle(self) -> Bundle:
        """Return the bundle of the active model."""
        return self._sources.parts.active.current.bundle

    def open_labeler(self, bundle: Bundle) -> Labeler:
        """Return a new labeler for whole pictures, with the runtime of the settings; takes a second."""
        return open_prediction_labeler(bundle, self._sources.parts.live.settings.labeler.runtime)

    def describe_model(self) -> dict[str, Any]:
        """Return the object of GET /api/model, with the text of the card as Markdown."""
        sources = self._sources
        keys = ("roles", "name", "version", "sha256", "origin", "delivered")
        models = [
            {key: getattr(model, key) for key in keys} | {"roles": list(model.roles)}
            for model in sources.parts.active.store.list()
        ]
        folder = self.active_bundle().folder
        card = read_card(folder)
        return describe_running_model(sources) | {
            "card": None if card is None else card.decode(errors="replace"),
            "report": "/api/model/report" if has_report(folder) else None,
            "history": models,
            "threshold": self.active_bundle().confidence_threshold,
            "notes": list(self.active_bundle().notes),
            "training": None if (provenance := self.active_bundle().provenance) is None else provenance.as_dict(),
            "training_facts": describe_provenance(provenance or Provenance()),
        }

    def read_report(self) -> bytes | None:
        """Return the HTML of the model's evaluation report; None if it has none."""
        return read_report(self.active_bundle().folder)

    def install_model(self, path: Path, options: DeclaredInput, origin: str) -> dict[str, Any]:
        """Check, probe and install a bundle, and swap it in; takes seconds.

        Raises:
            ApplianceError: The bundle cannot be used; the active model is unchanged.
        """
        if reason := self.upload_blocked_reason:
            raise StoreError(reason)
        if not self._install_lock.acquire(blocking=False):
            raise StoreError("another model is being installed; try again in a moment")
        try:
            bundle = read_bundle(path)
            bundle = replace(bundle, input=override(bundle.input, options))
            answer = install_uploaded(
                bundle, origin, self._sources.parts.active.store, lambda: self._commands.execute("reload-model")
            )
        except ModelError as error:
            # The sentence names the file that the person gave, not the copy on this device.
            raise type(error)(str(error).replace(str(path), origin)) from error
        finally:
            self._install_lock.release()
        return answer

    def check(self) -> list[dict[str, Any]]:
        """Return the lines of `appliance check`; takes seconds."""
        path = self._sources.parts.live.settings.path
        if path is None:
            return check_by_status(self.describe_status())
        return check_by_command(lambda *arguments: _run_appliance(*arguments, "--config", str(path)))

    def stats(self) -> list[dict[str, Any]]:
        """Return the statistics of the last 24 hours, oldest first, one point a minute."""
        return self._sources.stats.points()

    def log_lines(self) -> list[dict[str, Any]]:
        """Return the last lines of the log, oldest first."""
        return self._sources.log.lines()

    def describe_settings(self) -> list[dict[str, Any]]:
        """Return the settings in force."""
        return [dataclasses.asdict(item) for item in describe_settings(self._sources.parts.live.settings)]

    def mark_wrong(self, event_id: str, label: str) -> str:
        """File the picture of an event in the dataset under another label; an earlier choice is replaced.

        Returns:
            The name of the label in the dataset.

        Raises:
            ApplianceError: It cannot be filed.
        """
        target = self._teaching.dataset.find_event_target(label)
        history = self.history
        picture = history.read_picture(event_id) if history else None
        if picture is None:
            raise RequestError(404, "there is no picture of this event any more")
        self._teaching.dataset.file_event(event_id, target, picture)
        return target.folder or label

    def delete_event(self, event_id: str) -> bool:
        """Delete an event with its picture; return whether that happened in time."""
        recorder = self._sources.parts.history
        return recorder.delete_event(event_id) if recorder else True

    def delete_pictures(self) -> bool:
        """Delete all pictures of the history; return whether that happened in time."""
        recorder = self._sources.parts.history
        return recorder.delete_pictures() if recorder else True


def _run_appliance(*arguments: str) -> str:
    """Run another command of this program; return its standard output."""
    command = [sys.executable, "-m", "appliance", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False).stdout
