"""Change the active model and the threshold; nothing else changes them.

DeviceCommands, UpdateHost and SettingsReloader share one `ModelSwitch`.
"""

import logging
import threading
from collections.abc import Callable, Sequence

from appliance.bundle.bundle import Bundle
from appliance.bundle.identity import ModelIdentity
from appliance.bundle.key import bundle_key
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.engine import Engine
from appliance.daemon.overrides import OverrideFile
from appliance.daemon.pipeline import Pipeline
from appliance.errors import StoreError
from appliance.imaging.view import View
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import EventSettings, LabelerSettings

log = logging.getLogger("appliance.daemon")


class ModelSwitch:
    """Swap models and thresholds between two frames. Safe to use from any thread; one swap happens at a time.

    The threshold set over MQTT takes precedence, unless it was set for a model with a different confidenceThreshold;
    then follow the thresholds of Remote Config, of the settings, and of the bundle.
    """

    def __init__(
        self,
        active: ActiveModel,
        pipeline: Pipeline,
        overrides: OverrideFile,
        set_allowed_labels: Callable[[Sequence[str]], None],
    ):
        """Drop an MQTT threshold that was set for another model, because the model may have changed between runs.

        Args:
            active: Loads models, and holds the active one.
            pipeline: Labels with the active model and threshold.
            overrides: The threshold set over MQTT.
            set_allowed_labels: Receives labeler.allow before new settings take effect; those labels get MQTT topics.
        """
        self._active = active
        self._pipeline = pipeline
        self._overrides = overrides
        self._set_allowed_labels = set_allowed_labels
        # Held for seconds, while a model is loaded and swapped in.
        self._switch_lock = threading.Lock()
        # Held for a moment, so that the overrides on disk and the threshold of the pipeline always agree.
        self._threshold_lock = threading.Lock()
        if overrides.values.threshold is not None:
            self._keep_threshold(self._threshold_for(active.current))

    def prepare_first_engine(self) -> Engine:
        """Return the engine for the first frame.

        Raises:
            LabelOptionError: The settings name a label that the active model does not have.
        """
        return self._pipeline.prepare(self._active.current, self._overrides.values.threshold)

    def switch(
        self, load: Callable[[], Labeler], commit: Callable[[], None] | None = None, leaving: Bundle | None = None
    ) -> ModelIdentity:
        """Swap in another model before the next frame.

        Args:
            load: Returns the labeler to swap in.
            commit: Runs once the labeler is known to work here, for example to change the store.
            leaving: The model that the caller wants to leave; prevents two callers that leave the same model at the
                same time from going back two models.

        Returns:
            The model used from the next frame on.

        Raises:
            StoreError: A model other than `leaving` is now active; nothing was done.
            ApplianceError: `load` or `commit` failed, or the labeler does not fit the settings; nothing was swapped.
        """
        with self._switch_lock:
            if leaving and bundle_key(leaving) != bundle_key(self._active.current.bundle):
                left, now = leaving.identity, self._active.current.identity
                raise StoreError(
                    f"{left.name} {left.version} is no longer the active model; {now.name} {now.version} is active now"
                )
            labeler = load()
            # Check that the labeler fits the settings, which cannot change while the lock is held.
            self._pipeline.prepare(labeler, None)
            if commit:
                commit()
            with self._threshold_lock:
                threshold = self._threshold_for(labeler)
                engine = self._pipeline.prepare(labeler, threshold)
                self._keep_threshold(threshold)
                self._active.current = labeler
                self._pipeline.use(engine)
        identity = labeler.identity
        log.info("the active model is now %s %s", identity.name, identity.version)
        return identity

    def set_threshold(self, threshold: float | None) -> None:
        """Set the MQTT threshold from the next frame on, and store it for the active model.

        Args:
            threshold: 0–1; None goes back to the threshold of the settings or the bundle.
        """
        with self._threshold_lock:
            self._overrides.set_threshold(threshold, self._active.current.bundle.confidence_threshold)
            self._pipeline.set_threshold(threshold)

    def set_remote_threshold(self, threshold: float | None) -> None:
        """Set the threshold of Remote Config from the next frame on; the MQTT threshold still takes precedence.

        Args:
            threshold: Replaces labeler.threshold; None removes it.
        """
        with self._switch_lock, self._threshold_lock:
            if threshold == self._pipeline.remote_threshold:
                return
            self._pipeline.set_remote_threshold(threshold, self._overrides.values.threshold)
        if threshold is None:
            log.info("Remote Config no longer sets a threshold; using that of the settings")
        else:
            log.info("Remote Config sets the threshold %g", threshold)

    @property
    def has_set_threshold(self) -> bool:
        """Whether a command set the threshold in force (T/threshold/set, or the page)."""
        return self._overrides.values.threshold is not None

    def apply_settings(
        self,
        labeler: LabelerSettings,
        events: EventSettings,
        view: View,
        reload_model: bool,
        camera: str | None = None,
    ) -> None:
        """Apply new settings from the next frame on.

        Args:
            labeler: The labeler section.
            events: The events section.
            view: Orientation and region of frames.
            reload_model: Whether the model must be loaded again for these settings.
            camera: The setting camera.source; None for the same as before.

        Raises:
            SettingsError, ModelError: The settings do not fit the model, or name a model that cannot be used; nothing
                was changed.
        """
        with self._switch_lock:

            def check(model: Labeler) -> None:
                self._pipeline.prepare(model, None, labeler, events)

            model = self._active.apply_settings(labeler, view, check, camera) if reload_model else self._active.current
            with self._threshold_lock:
                threshold = self._threshold_for(model)
                engine = self._pipeline.prepare(model, threshold, labeler, events)
                self._keep_threshold(threshold)
                self._set_allowed_labels(labeler.allow)
                self._active.current = model
                self._pipeline.apply_settings(engine, labeler, events)

    def _threshold_for(self, labeler: Labeler) -> float | None:
        """Return the threshold set over MQTT; None if it was set for a model with a different confidenceThreshold."""
        overrides = self._overrides.values
        same = overrides.bundle_threshold == labeler.bundle.confidence_threshold
        return overrides.threshold if same else None

    def _keep_threshold(self, threshold: float | None) -> None:
        """Store the result of `_threshold_for`; log if this drops the threshold set over MQTT."""
        overrides = self._overrides.values
        if threshold == overrides.threshold:
            return
        previous = overrides.bundle_threshold
        reason = (
            "without its own threshold, but this model has one"
            if previous is None
            else f"whose own threshold is {previous:g}, but that of this model is different"
        )
        log.info(
            "the threshold %g set over MQTT no longer applies: it was set for a model %s",
            overrides.threshold,
            reason,
        )
        self._overrides.set_threshold(threshold, previous)
