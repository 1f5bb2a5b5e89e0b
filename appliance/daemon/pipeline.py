"""Label frames: newest frame → scores → labels → events, with the current engine.

The current engine is one reference. Everything that changes it (a different model, a different threshold, a stop) is an
action that the labeling thread executes between two frames, so no lock is needed, and no frame sees half a change.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from appliance.camera.source import CameraState
from appliance.daemon.engine import Engine
from appliance.daemon.failure_log import FailureLog
from appliance.daemon.frame_supply import FrameSupply
from appliance.daemon.meter import Meter
from appliance.daemon.results import FrameResult, ResultListener
from appliance.errors import ApplianceError
from appliance.imaging.frame import Frame
from appliance.imaging.frame_slot import FrameSlot
from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.labeling.tracker import Tracker
from appliance.settings.schema import EventSettings, LabelerSettings
from appliance.system.foreign_text import clean_text
from appliance.system.threads import Heartbeat

# systemd's watchdog is not fed while a frame takes longer than this.
LABELING_LIMIT_S = 10.0
# How long the thread waits for a frame before it checks for actions.
_TICK_S = 0.25
# The runtime's messages can grow without end.
_MAX_REASON = 300


class Pipeline:
    """Label frames until stopped. `run()` is the labeling thread; every other method may be called from any thread."""

    def __init__(
        self,
        slot: FrameSlot,
        labeler_settings: LabelerSettings,
        event_settings: EventSettings,
        listener: ResultListener,
        new_event_id: Callable[[], str],
        meter: Meter,
        remote_threshold: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Prepare the pipeline; it labels nothing until `use` is called.

        Args:
            slot: Delivers the newest frame.
            labeler_settings: The labeler section.
            event_settings: The events section.
            listener: Receives the results, on the labeling thread.
            new_event_id: Returns the id of a new event.
            meter: Counts frames and inference times.
            remote_threshold: The threshold of Remote Config, which replaces labeler.threshold; None if it sets none.
            clock: Returns monotonic time in seconds.
        """
        self._slot = slot
        self._labeler_settings = labeler_settings
        self._event_settings = event_settings
        self._listener = listener
        self._new_event_id = new_event_id
        self._meter = meter
        self._remote_threshold = remote_threshold
        self._clock = clock
        self._supply = FrameSupply()
        self._failures = FailureLog(clock)
        self._actions: deque[Callable[[], None]] = deque()
        self._engine: Engine | None = None
        self._error: str | None = None
        self._stopped = False
        self._skip_frame = False  # the current frame is older than the end of the events and must not start new ones
        self.heartbeat = Heartbeat("labeling")

    @property
    def engine(self) -> Engine | None:
        """The current engine; None before the first `use` takes effect."""
        return self._engine

    @property
    def error(self) -> str | None:
        """Why frames currently cannot be labeled; None if they can."""
        return self._error

    @property
    def remote_threshold(self) -> float | None:
        """The threshold of Remote Config, which replaces labeler.threshold; None if it sets none."""
        return self._remote_threshold

    def prepare(
        self,
        labeler: Labeler,
        threshold: float | None,
        labeler_settings: LabelerSettings | None = None,
        event_settings: EventSettings | None = None,
    ) -> Engine:
        """Build an engine for `use`.

        Args:
            labeler: A labeler that has run once already.
            threshold: The threshold set over MQTT; None for that of the settings or the bundle.
            labeler_settings: The labeler section; None for the current one.
            event_settings: The events section; None for the current one.

        Raises:
            LabelOptionError: The settings name a label that this model does not have.
        """
        label_filter = self._make_filter(labeler, labeler_settings or self._labeler_settings, threshold)
        tracker = Tracker(labeler.labels, event_settings or self._event_settings, self._new_event_id)
        return Engine(labeler, label_filter, tracker)

    def use(self, engine: Engine) -> None:
        """Swap in the engine before the next frame; open events continue if the labels are the same, else they end."""

        def act() -> None:
            self._swap(engine)

        self._actions.append(act)

    def set_threshold(self, threshold: float | None) -> None:
        """Set the threshold from the next frame on; None for that of the settings or the bundle."""

        def act() -> None:
            if (engine := self._engine) is not None:
                new_filter = self._make_filter(engine.labeler, self._labeler_settings, threshold)
                self._change(replace(engine, filter=new_filter))

        self._actions.append(act)

    def set_remote_threshold(self, remote_threshold: float | None, threshold: float | None) -> None:
        """Replace labeler.threshold: at once for newly prepared engines, from the next frame on for the current one.

        Args:
            remote_threshold: The threshold of Remote Config; None removes it.
            threshold: As in `set_threshold`.
        """
        self._remote_threshold = remote_threshold
        self.set_threshold(threshold)

    def apply_settings(self, engine: Engine, labeler_settings: LabelerSettings, event_settings: EventSettings) -> None:
        """Swap in an engine that was prepared with new settings, and use these settings from then on."""

        def act() -> None:
            self._labeler_settings, self._event_settings = labeler_settings, event_settings
            self._swap(engine).tracker.use_settings(event_settings)

        self._actions.append(act)

    def note_camera(self, state: CameraState) -> None:
        """Take a new state of the camera into account; when it was turned off, skip a frame that is already waiting."""
        now_s = self._clock()

        def act() -> None:
            self._supply.note_camera(state, now_s)
            if state is CameraState.OFF:
                self._slot.get(0)
                self._skip_frame = True

        self._actions.append(act)

    def stop(self) -> None:
        """End the open events and make `run` return."""

        def act() -> None:
            self._end_all("stop")
            self._stopped = True

        self._actions.append(act)

    def run(self) -> None:
        """Label frames until `stop` is called; this is the labeling thread."""
        while not self._stopped:
            frame = self._slot.get(_TICK_S)
            with self.heartbeat.deadline(LABELING_LIMIT_S, "labeling a frame"):
                self._skip_frame = False
                while self._actions:
                    self._actions.popleft()()
                self._check_supply()
                if frame is not None and not self._skip_frame and self._engine is not None and not self._stopped:
                    self._label(frame, self._engine)

    def _check_supply(self) -> None:
        """End the open events when there have been no usable frames for too long."""
        if self._supply.is_lacking and self._engine is not None:
            self._engine.tracker.freeze()
        if reason := self._supply.poll(self._clock()):
            self._end_all(reason, self._clock())
            self._listener.on_labels_unknown(reason)

    def _make_filter(self, labeler: Labeler, settings: LabelerSettings, threshold: float | None) -> LabelFilter:
        if self._remote_threshold is not None:
            settings = replace(settings, threshold=self._remote_threshold)
        return LabelFilter(labeler.bundle, settings, threshold)

    def _label(self, frame: Frame, engine: Engine) -> None:
        try:
            scores = engine.labeler.score(frame.pixels)
            if not np.isfinite(scores).all():
                raise ApplianceError(f"the scores of the model {engine.labeler.identity.name} are not finite numbers")
        except Exception as error:  # noqa: BLE001 - one bad frame or model must not end the labeling
            self._handle_failure(error, engine)
            return
        self._error = None
        self._failures.record_success()
        self._supply.note_frame()
        labels = engine.filter.select(scores)
        events = engine.tracker.update(
            engine.filter.mask(scores), engine.filter.thresholds, frame.time, frame.monotonic_s
        )
        self._meter.record_frame(engine.labeler.inference_ms)
        self._listener.on_frame(FrameResult(frame, engine, scores, labels, events))

    def _handle_failure(self, error: Exception, engine: Engine) -> None:
        """Report the failure; the frame says nothing about the labels, so it neither starts nor ends events."""
        is_expected = isinstance(error, ApplianceError)
        text = str(error) if is_expected else f"{type(error).__name__}: {error}"
        # The reason is published, and a path on this device is of no use elsewhere.
        reason = clean_text(text.replace(str(engine.labeler.bundle.source), "the model"), _MAX_REASON)
        self._error = reason
        self._failures.record_failure(reason, None if is_expected else error)
        self._supply.note_failure(self._clock())
        self._listener.on_frame_failed(reason)

    def _swap(self, engine: Engine) -> Engine:
        before = self._engine
        if before is not None and before.labeler.labels == engine.labeler.labels:
            engine = replace(engine, tracker=before.tracker)
        elif before is not None:
            self._end_all("swap")
        self._change(engine)
        return engine

    def _change(self, engine: Engine) -> None:
        if self._engine is None or self._engine.labeler is not engine.labeler:
            self._failures.reset()
        self._engine = engine
        self._listener.on_engine_changed(engine)

    def _end_all(self, reason: str, cooldown_from_s: float | None = None) -> None:
        if self._engine is not None and (events := self._engine.tracker.end_all(reason, cooldown_from_s)):
            self._listener.on_events_ended(events)
