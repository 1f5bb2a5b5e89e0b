"""Convert the scores of successive frames to events: a label starts, and later ends.

A label starts after `start_frames` consecutive frames at or above its threshold. It ends when it has been below
threshold − hysteresis for `end_after_s`, measured from the first such frame, because the time between two frames was
not observed. It does not start again within `cooldown_s` of its end. A score between these two limits keeps a started
label open, and resets the count of a label that has not started. Callers pass the time: monotonic for durations;
wall-clock time is only copied into the events.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from appliance.settings.schema import EventSettings


@dataclass(frozen=True, slots=True)
class Event:
    """A label that started or ended; both events have the same `id`.

    Attributes:
        id: Unique across devices and restarts.
        type: Whether this is the start or the end.
        label: The label's name.
        score: The label's score in the frame that caused this event (for an end, in the last frame of the label).
        peak_score: The label's highest score since the start.
        started: When the label started, seconds since 1970 UTC: the time of the frame that reached start_frames.
        ended: The time of the last frame at or above threshold − hysteresis; None for a start.
        reason: Why the label ended, if not because of its score: stop, swap, restart, running (turned off), camera
            (unavailable).
    """

    id: str
    type: Literal["started", "ended"]
    label: str
    score: float
    peak_score: float
    started: float
    ended: float | None = None
    reason: str | None = None


@dataclass(slots=True)
class _OpenEvent:
    """A label that has started but not ended.

    Attributes:
        id: As in Event.
        started: As in Event.
        score: As in Event.
        peak_score: As in Event.
        seen: The time of the last frame at or above threshold − hysteresis, seconds since 1970 UTC.
        below_since_s: The monotonic time of the first frame below that limit; None while the score is not below it.
    """

    id: str
    started: float
    score: float
    peak_score: float
    seen: float
    below_since_s: float | None = None


class Tracker:
    """Tracks every label of one model. Not thread-safe; only the labeling thread uses it."""

    def __init__(self, labels: Sequence[str], settings: EventSettings, new_id: Callable[[], str]) -> None:
        """Start with no open events.

        Args:
            labels: The model's labels, in the order of its output.
            settings: The events section.
            new_id: Returns a new event id.
        """
        self._labels = labels
        self._settings = settings
        self._new_id = new_id
        self._frames_above: dict[int, int] = {}
        self._not_before_s: dict[int, float] = {}
        self._open: dict[int, _OpenEvent] = {}

    @property
    def open_labels(self) -> list[str]:
        """The labels that have started but not ended, in the order in which they started."""
        return [self._labels[index] for index in self._open]

    @property
    def open_peaks(self) -> dict[str, float]:
        """The peak score of each open event, by its id."""
        return {event.id: event.peak_score for event in self._open.values()}

    def use_settings(self, settings: EventSettings) -> None:
        """Apply different settings from the next frame on; open events stay open."""
        self._settings = settings

    def update(self, scores: np.ndarray, thresholds: np.ndarray, time: float, monotonic_s: float) -> list[Event]:
        """Process the scores of one frame.

        Args:
            scores: (labels,) float; −inf for labels that are filtered out (0 would reach a threshold of 0).
            thresholds: (labels,) float, the effective threshold of each label.
            time: The frame's time, seconds since 1970 UTC.
            monotonic_s: The same moment on the monotonic clock, in seconds.

        Returns:
            The events that ended and started with this frame, ends first.
        """
        # Few labels are above their thresholds at once, and only those are counted, so 1,000 labels cost about as much
        # as 5.
        above = (scores >= thresholds).nonzero()[0].tolist()
        self._frames_above = {index: self._frames_above.get(index, 0) + 1 for index in above}
        events = self._end_below(scores, thresholds, time, monotonic_s) if self._open else []
        for index, frames in self._frames_above.items():
            if frames < self._settings.start_frames or index in self._open:
                continue
            if monotonic_s >= self._not_before_s.get(index, monotonic_s):
                events.append(self._start(index, float(scores[index]), time))
        return events

    def end_all(self, reason: str) -> list[Event]:
        """End every open event, because labeling stops or the model changes; no cooldown begins."""
        events = [self._make_event(index, "ended", reason) for index in self._open]
        self._open.clear()
        self._frames_above.clear()
        return events

    def _end_below(self, scores: np.ndarray, thresholds: np.ndarray, time: float, monotonic_s: float) -> list[Event]:
        events = []
        for index, event in list(self._open.items()):
            score = float(scores[index])
            if score >= float(thresholds[index]) - self._settings.hysteresis:
                event.score, event.peak_score = score, max(event.peak_score, score)
                event.seen, event.below_since_s = time, None
                continue
            if event.below_since_s is None:
                event.below_since_s = monotonic_s
            if monotonic_s - event.below_since_s >= self._settings.end_after_s:
                events.append(self._make_event(index, "ended", None))
                del self._open[index]
                self._not_before_s[index] = monotonic_s + self._settings.cooldown_s
        return events

    def _start(self, index: int, score: float, time: float) -> Event:
        self._open[index] = _OpenEvent(self._new_id(), time, score, score, time)
        return self._make_event(index, "started", None)

    def _make_event(self, index: int, kind: Literal["started", "ended"], reason: str | None) -> Event:
        event = self._open[index]
        ended = event.seen if kind == "ended" else None
        return Event(event.id, kind, self._labels[index], event.score, event.peak_score, event.started, ended, reason)
