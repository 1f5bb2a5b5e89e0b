"""Notify the page of frames and events, on the labeling thread."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from appliance.daemon.results import FrameResult, ResultListener
from appliance.history.records import EventRecord
from appliance.labeling.tracker import Event

Notify = Callable[[str, Mapping[str, Any] | None], None]


class PageListener(ResultListener):
    """Remembers since when the current label lasts, and passes on what changes.

    Attributes:
        since_s: When the current label began, Unix time; None without one.
        known: Whether there are frames, so that the labels are known.
        current: The best label that is open; None if there is none.
        notify: Receives what changes; must not block.
    """

    def __init__(self, has_pictures: Callable[[], bool]):
        """Start without labels.

        Args:
            has_pictures: Whether the history keeps pictures of events.
        """
        self.notify: Notify = lambda _kind, _data: None
        self.since_s: float | None = None
        self.known = False
        self.current: tuple[str, float] | None = None
        self._has_pictures = has_pictures

    def on_frame(self, result: FrameResult) -> None:
        """Note the current label; pass on the frame and its events."""
        self.known = True
        self._use_best(result)
        self._note_events(result.events, result)
        self.notify("frame", None)

    def on_events_ended(self, events: Sequence[Event]) -> None:
        """Pass on events that ended without a frame."""
        self._note_events(events, None)

    def on_labels_unknown(self, reason: str) -> None:
        """Forget the current label."""
        self.known, self.current, self.since_s = False, None, None
        self.notify("frame", None)

    def _use_best(self, result: FrameResult) -> None:
        best = result.labels[0] if result.labels else None
        name = self.current[0] if self.current else None
        if (best.label if best else None) != name:
            self.since_s = result.frame.time if best else None
        self.current = (best.label, float(best.score)) if best else None

    def _note_events(self, events: Sequence[Event], result: FrameResult | None) -> None:
        for event in events:
            self.notify("event", self._describe(event, result))

    def _describe(self, event: Event, result: FrameResult | None) -> dict[str, Any]:
        is_start = event.type == "started"
        identity = result.engine.labeler.identity if result else None
        model = {"name": identity.name, "version": identity.version} if identity else {}
        ended_s = None if is_start else (event.ended or time.time())
        return EventRecord(
            event.id, event.label, event.score, event.peak_score, event.started, ended_s, event.duration_s,
            event.reason, model, [], int(self._has_pictures()),
        ).as_dict()  # fmt: skip
