"""The road of frames: the newest frame → labels → events, by whichever labeler is current.

The *current engine* (a labeler, what its scores mean, and what is being tracked) is one reference. Everything that
changes it — another model, another threshold, a stop — is an action that the labeling thread itself carries out
between two frames, so nothing here needs a lock and no frame sees half a change.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from appliance.daemon.meter import Meter
from appliance.errors import ApplianceError
from appliance.imaging.frame import Frame
from appliance.imaging.frame_slot import FrameSlot
from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.labeling.labels import Label
from appliance.labeling.tracker import Event, Tracker
from appliance.settings.schema import EventSettings, LabelerSettings
from appliance.system.threads import Heartbeat

log = logging.getLogger(__name__)

# A frame that was given to the labeler is done within this, or the watchdog ends the process.
LABELING_LIMIT_S = 10.0
# How long the thread waits for a frame before it looks whether something was asked of it.
_TICK_S = 0.25


@dataclass(frozen=True, slots=True)
class Engine:
    """A labeler with what its scores mean (the filter) and what it has seen (the tracker)."""

    labeler: Labeler
    filter: LabelFilter
    tracker: Tracker


class Results(Protocol):
    """Who is told what the labeling thread found; called on that thread, must not block."""

    def labeled(
        self, frame: Frame, engine: Engine, scores: np.ndarray, labels: Sequence[Label], events: Sequence[Event]
    ) -> None:
        """One frame was labeled; `scores` are the model's, not filtered; `events` started or ended with it."""

    def ended(self, events: Sequence[Event]) -> None:
        """Events were ended by something else than a frame."""

    def engine_changed(self, engine: Engine) -> None:
        """From the next frame on, this engine labels."""


class Pipeline:
    """Labels frames until it is stopped.

    Attributes:
        configured_threshold: What Remote Config chose, in the place of labeler.threshold; None: it chose none. It holds for
            every engine that is prepared from then on, and with `set_threshold` for the current one.
    """

    def __init__(
        self,
        slot: FrameSlot,
        labeler_settings: LabelerSettings,
        event_settings: EventSettings,
        results: Results,
        new_event_id: Callable[[], str],
        meter: Meter,
    ):
        self._slot = slot
        self._labeler_settings = labeler_settings
        self._event_settings = event_settings
        self._results = results
        self._new_event_id = new_event_id
        self._meter = meter
        self._actions: deque[Callable[[], None]] = deque()
        self._engine: Engine | None = None
        self._trouble: str | None = None
        self.configured_threshold: float | None = None
        self._stopped = False
        self._let_go = False  # the frame in hand was taken before the events were ended, and must not begin new ones
        self.pulse = Heartbeat("labeling")
        self.on_outcome: Callable[[float, str | None], None] | None = None

    @property
    def engine(self) -> Engine | None:
        """The current engine."""
        return self._engine

    @property
    def trouble(self) -> str | None:
        """Why frames are not labeled at the moment, or None."""
        return self._trouble

    def prepare(
        self,
        labeler: Labeler,
        threshold: float | None,
        labeler_settings: LabelerSettings | None = None,
        event_settings: EventSettings | None = None,
    ) -> Engine:
        """An engine for this labeler, ready to be swapped in.

        Args:
            labeler: It has run once already.
            threshold: The one set over MQTT, None for the settings' or the bundle's.
            labeler_settings, event_settings: Instead of those that hold.

        Raises:
            LabelOptionError: The settings name a label that this model does not have.
        """
        label_filter = self._filter(labeler, labeler_settings or self._labeler_settings, threshold)
        tracker = Tracker(labeler.labels, event_settings or self._event_settings, self._new_event_id)
        return Engine(labeler, label_filter, tracker)

    def use(self, engine: Engine) -> None:
        """Swaps the engine in before the next frame. Open events go on where the labels are the same, else they end."""
        self._between_frames(lambda: self._swap(engine))

    def set_threshold(self, threshold: float | None) -> None:
        """Another threshold from the next frame on; None for the settings' or the bundle's."""

        def act() -> None:
            engine = self._engine
            self._change(replace(engine, filter=self._filter(engine.labeler, self._labeler_settings, threshold)))

        self._between_frames(act)

    def use_settings(self, engine: Engine, labeler_settings: LabelerSettings, event_settings: EventSettings) -> None:
        """Swaps in an engine that was prepared with other settings, as `use` does; they hold from then on."""

        def act() -> None:
            self._labeler_settings, self._event_settings = labeler_settings, event_settings
            self._swap(engine)
            self._engine.tracker.use_settings(event_settings)

        self._between_frames(act)

    def end_events(self, reason: str) -> None:
        """Ends what is open, because no more frames will come for a while; one that still lies ready is let go."""

        def act() -> None:
            self._end_all(reason)
            self._slot.get(0)
            self._let_go = True

        self._between_frames(act)

    def stop(self) -> None:
        """Ends what is open and makes run() return."""

        def act() -> None:
            self._end_all("stop")
            self._stopped = True

        self._between_frames(act)

    def run(self) -> None:
        """The labeling thread's whole life."""
        while not self._stopped:
            frame = self._slot.get(_TICK_S)
            with self.pulse.within(LABELING_LIMIT_S, "labeling a frame"):
                self._let_go = False
                while self._actions:
                    self._actions.popleft()()
                if frame is not None and not self._let_go and self._engine is not None and not self._stopped:
                    self._label(frame, self._engine)

    def _filter(self, labeler: Labeler, settings: LabelerSettings, threshold: float | None) -> LabelFilter:
        if self.configured_threshold is not None:
            settings = replace(settings, threshold=self.configured_threshold)
        return LabelFilter(labeler.bundle, settings, threshold)

    def _between_frames(self, action: Callable[[], None]) -> None:
        self._actions.append(action)

    def _label(self, frame: Frame, engine: Engine) -> None:
        try:
            scores = engine.labeler.scores(frame.pixels)
            if not np.isfinite(scores).all():
                raise ApplianceError(
                    f"the model {engine.labeler.identity.name} answers with scores that are no numbers"
                )
        except Exception as error:  # noqa: BLE001 - one bad frame or model must not end the labeling
            self._failed(error, frame, engine)
            return
        if self._trouble:
            log.info("labeling again")
            self._trouble = None
        labels = engine.filter.select(scores)
        events = engine.tracker.update(
            engine.filter.masked(scores), engine.filter.thresholds, frame.time, frame.monotonic_s
        )
        self._meter.frame(engine.labeler.inference_ms)
        self._results.labeled(frame, engine, scores, labels, events)
        if self.on_outcome:
            self.on_outcome(engine.labeler.inference_ms, None)

    def _failed(self, error: Exception, frame: Frame, engine: Engine) -> None:
        """A frame that cannot be labeled shows nothing: what is open ends in its time, or it would stay on for ever."""
        trouble = str(error) if isinstance(error, ApplianceError) else f"{type(error).__name__}: {error}"
        if trouble != self._trouble:
            self._trouble = trouble
            log.error("a frame could not be labeled: %s", trouble, exc_info=not isinstance(error, ApplianceError))
        nothing = np.full(len(engine.labeler.labels), -np.inf, np.float32)
        if events := engine.tracker.update(nothing, engine.filter.thresholds, frame.time, frame.monotonic_s):
            self._results.ended(events)
        if self.on_outcome:
            self.on_outcome(0.0, trouble)

    def _swap(self, engine: Engine) -> None:
        before = self._engine
        if before is not None and before.labeler.labels == engine.labeler.labels:
            engine = replace(engine, tracker=before.tracker)
        elif before is not None:
            self._end_all("swap")
        self._change(engine)

    def _change(self, engine: Engine) -> None:
        self._engine = engine
        self._results.engine_changed(engine)

    def _end_all(self, reason: str) -> None:
        if self._engine is not None and (events := self._engine.tracker.end_all(reason)):
            self._results.ended(events)
