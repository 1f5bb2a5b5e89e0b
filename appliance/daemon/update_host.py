"""Give the updater access to the daemon (updates.host.Host), and publish the status of updates.

The host loads a candidate while the current model runs, swaps the candidate in between two frames, and publishes each
step on T/update and the update status on T/model. Every change of the model goes through the `ModelSwitch`.
"""

import logging
import secrets
import threading
from collections.abc import Callable
from itertools import count

from appliance.bundle.bundle import Bundle
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.engine import Engine
from appliance.daemon.model_status import describe_model
from appliance.daemon.model_switch import ModelSwitch
from appliance.daemon.pipeline import Pipeline
from appliance.daemon.results import ResultListener
from appliance.errors import ModelError, StoreError
from appliance.labeling.labeler import Labeler
from appliance.messaging.device_payloads import UpdatePayload
from appliance.messaging.reports import Reports
from appliance.system.timestamps import now_rfc3339
from appliance.updates.steps import UpdateStatus, UpdateStep

log = logging.getLogger("appliance.updates")

# The labeling thread applies a change within one frame, or within a fraction of a second if no frames arrive.
_ADOPTION_LIMIT_S = 15.0


class UpdateHost(ResultListener):
    """Give the updater access to the daemon, and publish the status of models and updates."""

    def __init__(
        self,
        active: ActiveModel,
        pipeline: Pipeline,
        switch: ModelSwitch,
        reports: Reports,
        *,
        has_source: bool = True,
        boot: str | None = None,
    ):
        """Keep references to the parts.

        Args:
            active: Loads candidates and earlier models.
            pipeline: Checks whether a candidate fits the settings, and whether labeling is stuck.
            switch: Swaps models.
            reports: Publishes T/update and T/model.
            has_source: Whether an update source is configured, so that a version can be offered.
            boot: The id of the program start; None makes a new one.
        """
        self._active = active
        self._pipeline = pipeline
        self._switch = switch
        self._reports = reports
        self._lock = threading.Lock()
        self._has_source = has_source
        self._boot = boot or secrets.token_hex(6)
        self._seq = count(1)
        self._status = UpdateStatus()
        self._bundle: Bundle | None = None
        self._adopted = threading.Condition()
        self._labeler_in_use: Labeler | None = None
        self._preload_options: tuple[object, ...] = ()

    @property
    def status(self) -> UpdateStatus:
        """The update status, as T/model reports it."""
        return self._status

    # Called on the labeling thread.

    def on_engine_changed(self, engine: Engine) -> None:
        """Publish the model used from the next frame on, and wake a swap that waits for it."""
        with self._adopted:
            self._labeler_in_use = engine.labeler
            self._adopted.notify_all()
        with self._lock:
            self._bundle = engine.labeler.bundle
            self._publish_status()

    # Called on the updater's thread.

    def running_bundle(self) -> Bundle:
        """Return the bundle of the active model."""
        return self._active.current.bundle

    def delivery_blocked_reason(self) -> str | None:
        """Return why no model can be delivered now; None if one can be."""
        return self._active.delivery_blocked_reason

    def preload(self, bundle: Bundle) -> Labeler:
        """Load a candidate, run it once, and check its labels against the settings.

        Raises:
            ModelError: The bundle cannot be loaded or run, or does not fit the settings.
        """
        self._preload_options = self._active.load_options
        labeler = self._active.load_candidate(bundle)
        self._pipeline.prepare(labeler, None)
        return labeler

    def swap(self, preloaded: Labeler, change: Callable[[], None]) -> None:
        """Change the store and swap in a preloaded labeler; load it again if the settings changed in the meantime.

        Raises:
            StoreError: `change` raised it, or no model can be delivered now; nothing was swapped.
            LabelOptionError: The model no longer fits the settings; nothing was changed.
        """
        if reason := self.delivery_blocked_reason():
            raise StoreError(reason)

        def load() -> Labeler:
            still_valid = self._active.load_options == self._preload_options
            return preloaded if still_valid else self._active.load_candidate(preloaded.bundle)

        self._switch.switch(load, change)
        self._wait_for_adoption(self._active.current)

    def reload_current(self, change: Callable[[], None]) -> None:
        """Change the store, then swap in the store's current model.

        Raises:
            StoreError, ModelError: The change or the swap failed.
        """

        def load() -> Labeler:
            change()
            return self._active.load()

        self._switch.switch(load)
        self._wait_for_adoption(self._active.current)

    def rollback(self, reason: str, refuse: bool = True) -> None:
        """Go back to the previous model, in memory and in the store, or to the bundled one if that cannot be used.

        Args:
            reason: The reason, for people.
            refuse: Whether the model that is left must not be installed again when it is offered.

        Raises:
            StoreError, ModelError: Neither model can be used; nothing was changed.
        """
        leaving = self._active.current.bundle
        try:
            self._switch_back(leaving, reason, to_bundled=False, refuse=refuse)
        except ModelError as error:
            log.warning("falling back to the bundled model; the previous one cannot be used: %s", error)
            self._switch_back(leaving, reason, to_bundled=True, refuse=refuse)
        self._wait_for_adoption(self._active.current)

    def apply_remote_threshold(self, threshold: float | None) -> None:
        """Apply the threshold of Remote Config, which replaces labeler.threshold; None removes it."""
        self._switch.set_remote_threshold(threshold)

    def stuck_reason(self) -> str | None:
        """Return where the labeling thread is stuck; None if it is not."""
        return self._pipeline.heartbeat.overdue()

    def report_step(self, step: UpdateStep) -> None:
        """Log a step of an update, and publish it on T/update and T/model."""
        words = (step.state, step.version, f"({step.reason})" if step.reason else None)
        log.info("update: %s", " ".join(filter(None, words)))
        seq = next(self._seq)
        self._reports.report_update(
            UpdatePayload(
                step.state, step.version, step.sha256, step.reason,
                f"{self._boot}-update-{seq}", now_rfc3339(), self._boot, seq,
            )
        )  # fmt: skip
        self.report_status(lambda status: status.follow(step))

    def report_status(self, change: Callable[[UpdateStatus], UpdateStatus]) -> None:
        """Publish the update status on T/model if it changes."""
        with self._lock:
            status = change(self._status)
            if status != self._status:
                self._status = status
                self._publish_status()

    def _switch_back(self, leaving: Bundle, reason: str, to_bundled: bool, refuse: bool) -> None:
        self._switch.switch(
            lambda: self._active.load_previous(to_bundled),
            lambda: self._active.roll_back(reason, to_bundled, refuse),
            leaving=leaving,
        )

    def _publish_status(self) -> None:
        if self._bundle:  # otherwise published when the first model labels
            self._reports.report_model(describe_model(self._bundle, self._status, has_source=self._has_source))

    def _wait_for_adoption(self, labeler: Labeler) -> None:
        with self._adopted:
            if not self._adopted.wait_for(lambda: self._labeler_in_use is labeler, _ADOPTION_LIMIT_S):
                log.warning("the labeling thread did not switch to the new model within %g s", _ADOPTION_LIMIT_S)
