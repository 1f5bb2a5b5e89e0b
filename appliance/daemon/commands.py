"""What others ask of the running daemon, over MQTT or on the control socket, and how it is carried out.

Each order is short or runs on a thread of its own: neither the connection to the broker nor a client of the socket may
wait behind another's order. What an order changes is remembered on disk before it acts, where it is to outlive a restart.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import __version__
from appliance.bundle.bundle import Bundle
from appliance.bundle.key import bundle_key
from appliance.camera.capture import Capture
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.overrides import Overrides, read_remembered, write_remembered
from appliance.daemon.pipeline import Pipeline
from appliance.errors import ControlError, StoreError
from appliance.imaging.view import View
from appliance.labeling.labeler import Labeler
from appliance.messaging.commands import Handler
from appliance.messaging.payloads import update_payload
from appliance.messaging.reports import Reports
from appliance.settings.schema import EventSettings, LabelerSettings

if TYPE_CHECKING:
    from appliance.updates.updater import Updater

log = logging.getLogger(__name__)

# A check asks a server, which has its own limits; a command does not wait longer than this for it.
CHECK_LIMIT_S = 120.0


class DeviceCommands:
    """Carries out orders; safe to call from any thread.

    Attributes:
        remembered: What was set over MQTT.
        updater: Where newer models come from; None: from nowhere.
    """

    def __init__(
        self,
        state: Path,
        models: ActiveModel,
        pipeline: Pipeline,
        capture: Capture,
        reports: Reports,
        restart: Callable[[], None],
        describe: Callable[[], dict[str, Any]],
        check_limit_s: float = CHECK_LIMIT_S,
    ):
        """Args:
        state: The folder where what was set is remembered.
        models: Which model labels.
        pipeline: Where another model or threshold is put in.
        capture: What is switched on and off.
        reports: What is told of it.
        restart: Ends the program in good order, to be started again.
        describe: How the device is doing, for `appliance check`.
        check_limit_s: How long a command waits for what the update source answers.
        """
        self._state = state
        self._models = models
        self._pipeline = pipeline
        self._capture = capture
        self._reports = reports
        self._restart = restart
        self._describe = describe
        self._check_limit_s = check_limit_s
        self._following = threading.Lock()  # held while a model is loaded and put in
        self._setting = (
            threading.Lock()
        )  # held for a moment: what is remembered and what the pipeline gets stay in step
        self.remembered: Overrides = read_remembered(state)
        if self.remembered.threshold is not None:  # the model may have changed while no daemon ran
            self._hold(self._threshold_for(models.current))
        self.updater: Updater | None = None

    def handlers(self) -> Mapping[str, Handler]:
        """For each command of the topics: what carries it out (messaging.commands)."""
        return {
            "threshold": self._set_threshold,
            "running": self._set_running,
            "snapshot": lambda _: self._snapshot(),
            "restart": lambda _: self._restart(),
            "rollback": lambda _: _in_background(self._roll_back),
            "check": lambda _: self._updates().check(),
            "install": lambda version: self._updates().install(version),
        }

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request on the control socket.

        Raises:
            ApplianceError: It cannot be carried out; the sentence is the answer.
        """
        command = request.get("command")
        if command == "status":
            return self._describe()
        if command == "models-changed":
            return self._changed(self.put_in(self._models.load))
        if command == "model-rollback":
            return self._roll_back()
        if command == "update-status":
            return self._updates().status()
        if command == "model-check":
            return self._checked(self._updates().check())
        raise ControlError(
            f"the daemon knows no command {command!r}; is it of another version than this one ({__version__})?"
        )

    def configure_threshold(self, threshold: float | None) -> None:
        """Remote Config's threshold from the next frame on, in the place of labeler.threshold; MQTT's still beats it."""
        with self._following, self._setting:
            if threshold == self._pipeline.configured_threshold:
                return
            self._pipeline.configured_threshold = threshold
            self._pipeline.set_threshold(self.remembered.threshold)
        log.info(
            "Remote Config's threshold is %s", "none: the settings' holds" if threshold is None else f"{threshold:g}"
        )

    def use_settings(self, labeler: LabelerSettings, events: EventSettings, view: View, load_model: bool) -> None:
        """Other settings from the next frame on.

        Args:
            labeler, events: Those sections.
            view: How frames are looked at.
            load_model: Whether the model must be loaded anew for them.

        Raises:
            SettingsError, ModelError: They do not fit the model, or name one that cannot be used; nothing changes.
        """
        with self._following:

            def suits(model: Labeler) -> None:
                self._pipeline.prepare(model, None, labeler, events)

            model = self._models.use_settings(labeler, view, suits) if load_model else self._models.current
            with self._setting:
                threshold = self._threshold_for(model)
                engine = self._pipeline.prepare(model, threshold, labeler, events)
                self._hold(threshold)
                self._reports.allow(labeler.allow)
                self._models.current = model
                self._pipeline.use_settings(engine, labeler, events)

    def _set_threshold(self, threshold: float | None) -> None:
        with self._setting:
            own = self._models.current.bundle.confidence_threshold
            self._remember(replace(self.remembered, threshold=threshold, bundle_threshold=own))
            self._pipeline.set_threshold(threshold)

    def _set_running(self, running: bool) -> None:
        with self._setting:
            self._remember(replace(self.remembered, running=running))
        self._capture.set_running(running)
        self._reports.running(running)

    def _snapshot(self) -> Future[None]:
        if not self.remembered.running:
            raise ControlError("there are no frames: labeling was switched off (running is OFF)")
        return self._reports.request_snapshot()

    def _roll_back(self) -> dict[str, Any]:
        leaving = self._models.current.bundle
        if self._models.named:
            raise StoreError("the settings name the model (labeler.model), so there is none to go back to")
        reason = "its owner went back to the one before it"
        runs = self.put_in(self._models.load_previous, lambda: self._models.roll_back(reason), leaving=leaving)
        left = leaving.identity
        log.info("update: rolled_back %s (%s)", left.version, reason)
        self._reports.update(update_payload("rolled_back", left.version, left.sha256, reason))
        return self._changed(runs)

    def _changed(self, runs: dict[str, Any]) -> dict[str, Any]:
        """Another model was put in by somebody else than the update machine."""
        if self.updater:
            self.updater.store_changed()
        return runs

    def _updates(self) -> "Updater":
        if why := self._models.held:
            raise ControlError(why)
        if self.updater is None:
            raise ControlError(
                "this device has no update source: put a model in place with: appliance model install BUNDLE"
            )
        return self.updater

    def _checked(self, answer: Future[dict[str, Any]]) -> dict[str, Any]:
        try:
            return answer.result(self._check_limit_s)
        except TimeoutError as error:
            raise ControlError(
                f"no answer came within {self._check_limit_s:g} s: a download may be under way, or the source is slow;"
                " see its log, and ask again later"
            ) from error

    def put_in(
        self, load: Callable[[], Labeler], change: Callable[[], None] | None = None, leaving: Bundle | None = None
    ) -> dict[str, Any]:
        """Swaps another model in between two frames; one such change happens at a time.

        Args:
            load: The labeler.
            change: Carried out once it is sure that the labeler can label here, such as a change of the store.
            leaving: The model that is to be left. Two who leave the same one at a time must not go back two models.

        Returns:
            Which model labels from the next frame on.

        Raises:
            StoreError: Another model than `leaving` labels by now; nothing was done.
            ApplianceError: From `load` or `change`, or the labeler does not suit the settings; nothing was swapped.
        """
        with self._following:
            if leaving and bundle_key(leaving) != bundle_key(self._models.current.bundle):
                left, now = leaving.identity, self._models.current.identity
                raise StoreError(f"{left.name} {left.version} was left already: {now.name} {now.version} labels now")
            labeler = load()
            self._pipeline.prepare(labeler, None)  # it suits the settings, which do not change meanwhile
            if change:
                change()
            with self._setting:
                threshold = self._threshold_for(labeler)
                engine = self._pipeline.prepare(labeler, threshold)
                try:
                    self._hold(threshold)
                except OSError as error:  # the next start finds out once more that it does not hold
                    log.warning("that the threshold is another cannot be written down: %s", error)
                self._models.current = labeler
                self._pipeline.use(engine)
        identity = labeler.identity
        log.info("the model is now %s %s", identity.name, identity.version)
        return identity.as_dict()

    def _threshold_for(self, labeler: Labeler) -> float | None:
        """The threshold set over MQTT, unless it was set for a model whose own one is another."""
        same = self.remembered.bundle_threshold == labeler.bundle.confidence_threshold
        return self.remembered.threshold if same else None

    def _hold(self, threshold: float | None) -> None:
        """From now on this one of `_threshold_for` holds."""
        if threshold != self.remembered.threshold:
            own = self.remembered.bundle_threshold
            why = "none itself, and this one does" if own is None else f"{own:g} itself, and this one does not"
            log.info(
                "the threshold %g set over MQTT no longer holds: it was set for a model that brings %s",
                self.remembered.threshold,
                why,
            )
            self._remember(replace(self.remembered, threshold=threshold))

    def _remember(self, remembered: Overrides) -> None:
        self.remembered = remembered
        write_remembered(self._state, remembered)


def _in_background(work: Callable[[], Any]) -> Future[Any]:
    """Carries out what takes seconds on a thread of its own; the future tells how it went."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - the one who asked is told
            future.set_exception(error)

    threading.Thread(target=run, name="order", daemon=True).start()
    return future
