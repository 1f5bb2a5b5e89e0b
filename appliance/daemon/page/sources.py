"""The parts of the daemon that the page describes."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.daemon.page.notifier import PageListener
from appliance.daemon.page.stats_history import StatsHistory
from appliance.daemon.results import FrameResult, ResultListener
from appliance.errors import StoreError
from appliance.system.log_ring import LogRing
from appliance.updates.store.state import StoreState

if TYPE_CHECKING:
    from appliance.daemon.parts import Parts

_RATE_FRAMES = 20
_STORE_AGE_S = 2.0


class FrameRate(ResultListener):
    """The frames per second over the last frames."""

    def __init__(self) -> None:
        """Start without frames."""
        self._times_s: deque[float] = deque(maxlen=_RATE_FRAMES)

    def on_frame(self, result: FrameResult) -> None:
        """Note the time of a frame."""
        self._times_s.append(result.frame.monotonic_s)

    @property
    def fps(self) -> float | None:
        """The rate; None before the second frame, and 0 when frames are overdue."""
        times = list(self._times_s)
        if len(times) < 2:
            return None
        span_s = times[-1] - times[0]
        silence_s = time.monotonic() - times[-1]
        if silence_s > max(2.0, 5 * span_s / (len(times) - 1)):
            return 0.0
        return round((len(times) - 1) / span_s, 1) if span_s > 0 else None


@dataclass(slots=True)
class PageSources:
    """What the page is made of.

    Attributes:
        parts: The connected parts of the daemon.
        listener: Knows the current label.
        rate: Measures the frames per second.
        stats: The statistics of the last 24 hours.
        log: The last lines of the log.
        state_error: Why the state folder cannot be written; None if it can.
    """

    parts: "Parts"
    listener: PageListener
    rate: FrameRate
    stats: StatsHistory
    log: LogRing
    state_error: str | None = None
    _store: tuple[float, StoreState] = field(default=(float("-inf"), StoreState()))

    def read_store(self) -> StoreState:
        """Return the state of the store, at most two seconds old."""
        read_s, state = self._store
        if time.monotonic() - read_s > _STORE_AGE_S:
            try:
                state = self.parts.active.store.read_state()
            except StoreError:
                state = StoreState()
            self._store = (time.monotonic(), state)
        return state
