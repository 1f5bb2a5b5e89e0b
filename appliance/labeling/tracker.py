"""Labels per frame → events: a label starts, and later ends.

A label starts after `start_frames` frames in a row at or above its threshold. It ends once it has been below
threshold − hysteresis for `end_after_s`, counted from the first frame below: what was between two frames nobody saw.
It does not start again within `cooldown_s` of its end. Scores between the two lines keep a started label alive and
break a beginning one. Time is passed in and is monotonic for durations;
the wall clock of a frame is only copied into the events.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from appliance.settings.schema import EventSettings


@dataclass(frozen=True, slots=True)
class Event:
    """A label that started or ended; both carry the same `id`.

    Attributes:
        id: Unique over devices and time.
        type: Whether this is the start or the end.
        label: The label's name.
        score: Its score in the frame that caused this event (for an end: the last frame of the label).
        peak_score: Its greatest score since the start.
        started: When it started, seconds since 1970 UTC: the time of the frame that completed the start.
        ended: When it was last seen at or above threshold − hysteresis; None for a start.
        reason: Why it ended, where that was not its score: stop, swap, restart, running (was switched off), camera (is gone).
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
class _Open:
    """A label that has started and not ended. `gone_since_s` is the first frame below the lower line, monotonic."""

    id: str
    started: float
    score: float
    peak_score: float
    seen: float
    gone_since_s: float | None = None


class Tracker:
    """Follows every label of one model. Not thread-safe: it belongs to the labeling thread."""

    def __init__(self, labels: Sequence[str], settings: EventSettings, new_id: Callable[[], str]):
        """Args:
        labels: The model's labels, in the order of its output.
        settings: The events section.
        new_id: Called for the id of each start.
        """
        self._labels = labels
        self._settings = settings
        self._new_id = new_id
        self._run: dict[int, int] = {}
        self._not_before_s: dict[int, float] = {}
        self._open: dict[int, _Open] = {}

    @property
    def open_labels(self) -> list[str]:
        """The labels that are on, in the order in which they started."""
        return [self._labels[index] for index in self._open]

    @property
    def open_peaks(self) -> dict[str, float]:
        """The peak score of each event that is open, by its id."""
        return {event.id: event.peak_score for event in self._open.values()}

    def use_settings(self, settings: EventSettings) -> None:
        """Other settings from the next frame on; what is open stays open."""
        self._settings = settings

    def update(self, scores: np.ndarray, thresholds: np.ndarray, time: float, monotonic_s: float) -> list[Event]:
        """Takes one frame's scores.

        Args:
            scores: (labels,) float; −inf for labels that are filtered out (0 would reach a threshold of 0).
            thresholds: (labels,) float, the threshold in force for each.
            time: The frame's time, seconds since 1970 UTC.
            monotonic_s: The same moment on the monotonic clock, in seconds.

        Returns:
            What ended and what started with this frame, ends first.
        """
        # Few labels are above their thresholds at once: only those are counted, so 1,000 labels cost what 5 do.
        above = (scores >= thresholds).nonzero()[0].tolist()
        self._run = {index: self._run.get(index, 0) + 1 for index in above}
        events = self._ended(scores, thresholds, time, monotonic_s) if self._open else []
        for index, frames in self._run.items():
            if frames < self._settings.start_frames or index in self._open:
                continue
            if monotonic_s >= self._not_before_s.get(index, monotonic_s):
                events.append(self._start(index, float(scores[index]), time))
        return events

    def end_all(self, reason: str) -> list[Event]:
        """Ends every open event, because labeling stops or the model changes; their cooldown does not begin."""
        events = [self._event(index, "ended", reason) for index in self._open]
        self._open.clear()
        self._run.clear()
        return events

    def _ended(self, scores: np.ndarray, thresholds: np.ndarray, time: float, monotonic_s: float) -> list[Event]:
        events = []
        for index, event in list(self._open.items()):
            score = float(scores[index])
            if score >= float(thresholds[index]) - self._settings.hysteresis:
                event.score, event.peak_score = score, max(event.peak_score, score)
                event.seen, event.gone_since_s = time, None
                continue
            if event.gone_since_s is None:
                event.gone_since_s = monotonic_s
            if monotonic_s - event.gone_since_s >= self._settings.end_after_s:
                events.append(self._event(index, "ended", None))
                del self._open[index]
                self._not_before_s[index] = monotonic_s + self._settings.cooldown_s
        return events

    def _start(self, index: int, score: float, time: float) -> Event:
        self._open[index] = _Open(self._new_id(), time, score, score, time)
        return self._event(index, "started", None)

    def _event(self, index: int, kind: Literal["started", "ended"], reason: str | None) -> Event:
        event = self._open[index]
        ended = event.seen if kind == "ended" else None
        return Event(event.id, kind, self._labels[index], event.score, event.peak_score, event.started, ended, reason)
