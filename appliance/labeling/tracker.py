"""Convert the scores of successive frames to events: a label starts, and later ends.

A label starts after `start_frames` consecutive frames at or above its threshold. It ends when it has been below
threshold − hysteresis for `end_after_s`, measured from the first such frame, because the time between two frames was
not observed. For the same reason, a pause in the frames does not count: an interval counts at most as a few usual
intervals, and one that `freeze` announces does not count at all. A label does not start again within `cooldown_s` of
its end. A score between these two limits keeps a started label open, and resets the count of a label that has not
started. Callers pass the time: monotonic for durations; wall-clock time is only copied into the events.
"""

import statistics
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from appliance.settings.schema import EventSettings

# An interval between two frames that is longer than this many usual ones was a pause of the source.
_PAUSE_INTERVALS = 3.0
# The usual interval is the median of this many intervals.
_INTERVALS = 9
# Wall clock and monotonic clock are read one after the other for a frame, so they differ a little without a step.
_CLOCK_STEP_S = 0.5
# The sum of many intervals may fall short of the time between the first and the last frame by this much.
_ROUNDING_S = 1e-6


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
            (unavailable), labeling (frames could not be labeled).
        duration_s: From `started` to `ended` by the monotonic clock; None for a start.
        clock_step: Whether the wall clock was set between `started` and `ended`.
    """

    id: str
    type: Literal["started", "ended"]
    label: str
    score: float
    peak_score: float
    started: float
    ended: float | None = None
    reason: str | None = None
    duration_s: float | None = None
    clock_step: bool = False


@dataclass(frozen=True, slots=True)
class EventProgress:
    """An open event so far, from which a later process can end it.

    Attributes:
        peak_score: The label's highest score since the start.
        duration_s: From the start to the last frame, by the monotonic clock; None if unknown.
        clock_step: Whether the wall clock was set in that time.
    """

    peak_score: float
    duration_s: float | None = None
    clock_step: bool = False


@dataclass(frozen=True, slots=True)
class _Moment:
    """The time of a frame on both clocks; `steps` counts how often the wall clock was set before it."""

    time: float
    monotonic_s: float
    steps: int


@dataclass(slots=True)
class _OpenEvent:
    """A label that has started but not ended.

    Attributes:
        id: As in Event.
        started: The frame that started it.
        score: As in Event.
        peak_score: As in Event.
        seen: The last frame at or above threshold − hysteresis.
        below_s: How long the score has been below that limit; None while it is not below it.
    """

    id: str
    started: _Moment
    score: float
    peak_score: float
    seen: _Moment
    below_s: float | None = None

    def progress_until(self, end: _Moment) -> EventProgress:
        duration_s = end.monotonic_s - self.started.monotonic_s
        return EventProgress(self.peak_score, duration_s, end.steps != self.started.steps)


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
        self._last: _Moment | None = None
        self._intervals_s: deque[float] = deque(maxlen=_INTERVALS)
        self._is_frozen = False

    @property
    def open_labels(self) -> list[str]:
        """The labels that have started but not ended, in the order in which they started."""
        return [self._labels[index] for index in self._open]

    @property
    def open_events(self) -> dict[str, EventProgress]:
        """The progress of each open event until the last frame, by its id."""
        return {event.id: event.progress_until(self._last or event.seen) for event in self._open.values()}

    def freeze(self) -> None:
        """Do not count the time until the next frame, because the source or the model had a fault in between."""
        self._is_frozen = True

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
        moment, passed_s = self._measure(time, monotonic_s)
        # Few labels are above their thresholds at once, and only those are counted, so 1,000 labels cost about as much
        # as 5.
        above = (scores >= thresholds).nonzero()[0].tolist()
        self._frames_above = {index: self._frames_above.get(index, 0) + 1 for index in above}
        events = self._end_below(scores, thresholds, moment, passed_s) if self._open else []
        for index, frames in self._frames_above.items():
            if frames < self._settings.start_frames or index in self._open:
                continue
            if monotonic_s >= self._not_before_s.get(index, monotonic_s):
                events.append(self._start(index, float(scores[index]), moment))
        return events

    def end_all(self, reason: str, cooldown_from_s: float | None = None) -> list[Event]:
        """End every open event, because labeling stops, frames are missing, or the model changes.

        Args:
            reason: As in Event.
            cooldown_from_s: The current monotonic time, from which the labels are under the cooldown, because they may
                return with the frames; None begins no cooldown.
        """
        events = [self._make_event(index, "ended", reason) for index in self._open]
        if cooldown_from_s is not None:
            self._not_before_s |= dict.fromkeys(self._open, cooldown_from_s + self._settings.cooldown_s)
        self._open.clear()
        self._frames_above.clear()
        return events

    def _measure(self, time: float, monotonic_s: float) -> tuple[_Moment, float]:
        """Return the moment of a frame, and how much of the time since the previous frame counts, in seconds."""
        last, is_frozen, self._is_frozen = self._last, self._is_frozen, False
        if last is None:
            self._last = _Moment(time, monotonic_s, 0)
            return self._last, 0.0
        interval_s = monotonic_s - last.monotonic_s
        has_step = abs(time - last.time - interval_s) > _CLOCK_STEP_S
        self._last = moment = _Moment(time, monotonic_s, last.steps + has_step)
        if is_frozen:
            return moment, 0.0
        usual_s = statistics.median(self._intervals_s) if self._intervals_s else interval_s
        self._intervals_s.append(interval_s)
        return moment, interval_s if interval_s <= _PAUSE_INTERVALS * usual_s else usual_s

    def _end_below(self, scores: np.ndarray, thresholds: np.ndarray, now: _Moment, passed_s: float) -> list[Event]:
        events = []
        for index, event in list(self._open.items()):
            score = float(scores[index])
            if score >= float(thresholds[index]) - self._settings.hysteresis:
                event.score, event.peak_score = score, max(event.peak_score, score)
                event.seen, event.below_s = now, None
                continue
            event.below_s = 0.0 if event.below_s is None else event.below_s + passed_s
            if event.below_s >= self._settings.end_after_s - _ROUNDING_S:
                events.append(self._make_event(index, "ended", None))
                del self._open[index]
                self._not_before_s[index] = now.monotonic_s + self._settings.cooldown_s
        return events

    def _start(self, index: int, score: float, now: _Moment) -> Event:
        self._open[index] = _OpenEvent(self._new_id(), now, score, score, now)
        return self._make_event(index, "started", None)

    def _make_event(self, index: int, kind: Literal["started", "ended"], reason: str | None) -> Event:
        event, label = self._open[index], self._labels[index]
        started = event.started.time
        if kind == "started":
            return Event(event.id, kind, label, event.score, event.peak_score, started)
        so_far = event.progress_until(event.seen)
        return Event(
            event.id, kind, label, event.score, event.peak_score, started, event.seen.time, reason,
            so_far.duration_s, so_far.clock_step,
        )  # fmt: skip
