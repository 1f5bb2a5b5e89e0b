"""The records of the history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.system.timestamps import to_rfc3339


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event: a label that started and, unless it is still open, ended.

    Attributes:
        id: The event's id, as in T/event.
        label: The label.
        score: Its score in the frame that started the event.
        peak_score: Its highest score so far.
        started_s: When it started, Unix time in seconds.
        ended_s: When it ended; None while it is open.
        duration_s: By the monotonic clock; None while it is open or if it is unknown.
        reason: Why it ended, if not by its score.
        model: {"name", "version"} of the model.
        scores: The best labels with their scores in the frame that started it, best first.
        picture_bytes: The size of its picture; 0 if there is none.
    """

    id: str
    label: str
    score: float
    peak_score: float
    started_s: float
    ended_s: float | None
    duration_s: float | None
    reason: str | None
    model: Mapping[str, str]
    scores: Sequence[tuple[str, float]]
    picture_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Return the event as JSON values; times are RFC 3339 in UTC."""
        return {
            "id": self.id,
            "label": self.label,
            "score": round(self.score, 4),
            "peak_score": round(self.peak_score, 4),
            "started": to_rfc3339(self.started_s),
            "ended": None if self.ended_s is None else to_rfc3339(self.ended_s),
            "duration_s": None if self.duration_s is None else round(self.duration_s, 3),
            "reason": self.reason,
            "model": dict(self.model),
            "scores": [{"label": label, "score": round(score, 4)} for label, score in self.scores],
            "picture": self.picture_bytes > 0,
        }


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events to return, newest first.

    Attributes:
        label: Only events of this label; None for all.
        before_s: Only events that started before this Unix time; None for the newest.
        before_id: With `before_s`: also events that started at that very time and whose id is smaller.
        since_s: Only events that started at this Unix time or later; None for all.
        limit: The greatest number of events.
    """

    label: str | None = None
    before_s: float | None = None
    before_id: str = ""
    since_s: float | None = None
    limit: int = 50
