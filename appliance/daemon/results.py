"""Distribute the results of the labeling thread to the parts that use them.

The pipeline has one listener, the `ResultDispatcher`. The reports, the collector and the update host register with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from appliance.daemon.engine import Engine
from appliance.imaging.frame import Frame
from appliance.labeling.labels import Label
from appliance.labeling.tracker import Event


@dataclass(frozen=True, slots=True)
class FrameResult:
    """The result of one labeled frame.

    Attributes:
        frame: The frame as it came from the camera, before rotation and region.
        engine: The engine that labeled it.
        scores: (number of labels,) float32, the model's scores before the label filter.
        labels: The labels that pass the filter, best first.
        events: The events that started or ended with this frame.
    """

    frame: Frame
    engine: Engine
    scores: np.ndarray
    labels: Sequence[Label]
    events: Sequence[Event]


class ResultListener:
    """Receive results on the labeling thread. Override the methods of interest; they must not block."""

    def on_frame(self, result: FrameResult) -> None:
        """Handle one labeled frame."""

    def on_frame_failed(self, error: str) -> None:
        """Handle a frame that could not be labeled.

        Args:
            error: The reason, for people.
        """

    def on_events_ended(self, events: Sequence[Event]) -> None:
        """Handle events that ended without a labeled frame: by a stop, a swap, or a lost camera."""

    def on_labels_unknown(self, reason: str) -> None:
        """Handle that there have been no usable frames for a while, so the labels are unknown until the next frame.

        Args:
            reason: Of frame_supply: RUNNING_OFF, NO_CAMERA or NO_LABELS.
        """

    def on_engine_changed(self, engine: Engine) -> None:
        """Handle a new engine, which is used from the next frame on."""


class ResultDispatcher(ResultListener):
    """Call every registered listener, in the order of registration."""

    def __init__(self) -> None:
        self._listeners: tuple[ResultListener, ...] = ()

    def register(self, listener: ResultListener) -> None:
        """Add a listener, which receives all results from the next call on."""
        self._listeners = (*self._listeners, listener)

    def on_frame(self, result: FrameResult) -> None:
        """Pass a labeled frame to every listener."""
        for listener in self._listeners:
            listener.on_frame(result)

    def on_frame_failed(self, error: str) -> None:
        """Pass a failed frame to every listener."""
        for listener in self._listeners:
            listener.on_frame_failed(error)

    def on_events_ended(self, events: Sequence[Event]) -> None:
        """Pass ended events to every listener."""
        for listener in self._listeners:
            listener.on_events_ended(events)

    def on_labels_unknown(self, reason: str) -> None:
        """Pass to every listener that the labels are unknown."""
        for listener in self._listeners:
            listener.on_labels_unknown(reason)

    def on_engine_changed(self, engine: Engine) -> None:
        """Pass the new engine to every listener."""
        for listener in self._listeners:
            listener.on_engine_changed(engine)
