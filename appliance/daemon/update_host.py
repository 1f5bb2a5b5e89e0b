"""Where the road of models meets the road of frames: the update machine's view of the rest of the program.

It loads a candidate beside the running model, has it swapped in between two frames, and says what happened: each step on
T/update, the state of things on T/model. Everything that changes which model runs goes through the orders, which let one
change happen at a time, whoever asks for it.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from appliance.bundle.bundle import Bundle
from appliance.bundle.identity import ModelIdentity
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.commands import DeviceCommands
from appliance.daemon.pipeline import Engine, Pipeline
from appliance.errors import ModelError, StoreError
from appliance.labeling.labeler import Labeler
from appliance.messaging.payloads import model_payload, update_payload
from appliance.messaging.reports import Reports
from appliance.updates.host import UpdateStatus, UpdateStep

log = logging.getLogger(__name__)

# The labeling thread takes a change up within a frame, or a fraction of a second where none come.
_IN_FORCE_LIMIT_S = 15.0


class UpdateHost:
    """What updates need of the rest (updates.device.Device), and what people are told of models."""

    def __init__(self, models: ActiveModel, pipeline: Pipeline, reports: Reports):
        self._models = models
        self._pipeline = pipeline
        self._reports = reports
        self._orders: DeviceCommands | None = None
        self._lock = threading.Lock()
        self._shown = UpdateStatus()
        self._identity: ModelIdentity | None = None
        self._labels = threading.Condition()
        self._in_force: Labeler | None = None
        self._warmed_under: tuple[object, ...] = ()

    def ties(self, orders: DeviceCommands) -> None:
        """Names the orders, which know this object too."""
        self._orders = orders

    # From the labeling thread

    def engine_changed(self, engine: Engine) -> None:
        """From the next frame on, this engine labels."""
        with self._labels:
            self._in_force = engine.labeler
            self._labels.notify_all()
        with self._lock:
            self._identity = engine.labeler.identity
            self._tell()

    # From the updater's thread

    def running(self) -> Bundle:
        """The bundle that labels now."""
        return self._models.current.bundle

    def held(self) -> str | None:
        """Why no model is delivered now."""
        return self._models.held

    def warm(self, bundle: Bundle) -> Labeler:
        """Loads a bundle and runs it once; its labels are held against the settings."""
        self._warmed_under = self._models.loaded_under
        labeler = self._models.load_beside(bundle)
        self._pipeline.prepare(labeler, None)
        return labeler

    def swap(self, warmed: Labeler, change: Callable[[], None]) -> None:
        """Changes the store and puts the warmed labeler in; loaded anew where the settings were read again since."""
        if why := self.held():
            raise StoreError(why)

        def load() -> Labeler:
            return (
                warmed if self._models.loaded_under == self._warmed_under else self._models.load_beside(warmed.bundle)
            )

        self._orders.put_in(load, change)
        self._wait_for(self._models.current)

    def go_back(self, change: Callable[[], None]) -> None:
        """Changes the store and puts in what it then says is current."""

        def load() -> Labeler:
            change()
            return self._models.load()

        self._orders.put_in(load)
        self._wait_for(self._models.current)

    def roll_back(self, reason: str) -> None:
        """Puts the model before the current one back, here and in the store; the bundled one where that cannot be used."""
        leaving = self._models.current.bundle
        try:
            self._put_back(leaving, reason, to_bundled=False)
        except ModelError as error:
            log.warning("the model before cannot be gone back to, so the bundled one is taken: %s", error)
            self._put_back(leaving, reason, to_bundled=True)
        self._wait_for(self._models.current)

    def configured(self, threshold: float | None) -> None:
        """Remote Config's threshold, in the place of labeler.threshold."""
        self._orders.configure_threshold(threshold)

    def stuck(self) -> str | None:
        """What labeling hangs in."""
        return self._pipeline.pulse.overdue()

    def told(self, step: UpdateStep) -> None:
        """A step, for T/update."""
        log.info(
            "update: %s",
            " ".join(filter(None, (step.state, step.version, f"({step.reason})" if step.reason else None))),
        )
        self._reports.update(update_payload(step.state, step.version, step.sha256, step.reason))

    def shows(self, shown: UpdateStatus) -> None:
        """The state of updates, for T/model."""
        with self._lock:
            if shown != self._shown:
                self._shown = shown
                self._tell()

    def _put_back(self, leaving: Bundle, reason: str, to_bundled: bool) -> None:
        self._orders.put_in(
            lambda: self._models.load_previous(to_bundled),
            lambda: self._models.roll_back(reason, to_bundled),
            leaving=leaving,
        )

    def _tell(self) -> None:
        identity, shown = self._identity, self._shown
        if identity is None:
            return  # told when the first model labels
        self._reports.model(
            model_payload(identity.version, shown.latest_version, identity.name, shown.in_progress, shown.percentage)
        )

    def _wait_for(self, labeler: Any) -> None:
        with self._labels:
            if not self._labels.wait_for(lambda: self._in_force is labeler, _IN_FORCE_LIMIT_S):
                log.warning("the labeling has not taken up its new model within %g s", _IN_FORCE_LIMIT_S)
