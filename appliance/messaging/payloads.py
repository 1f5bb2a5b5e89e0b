"""The payloads on the wire: their keys, the order of the keys, and what they mean.

Each class is one payload; `as_dict` returns the JSON object with its keys in the order of the manual, and `from_dict`
parses one. Times are RFC 3339 in UTC with milliseconds on the wire, and Unix seconds in the classes. Scores are 0–1.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal, Self

from appliance.bundle.identity import ModelIdentity
from appliance.labeling.labels import Label
from appliance.labeling.tracker import Event, EventProgress
from appliance.system.timestamps import parse_rfc3339, to_rfc3339

LATE_AFTER_S = 60.0
"""An event delivered later than this is marked `late`, so that automations do not act on it."""


class Availability(StrEnum):
    """The values of T/availability and T/camera."""

    ONLINE = "online"
    OFFLINE = "offline"


class SwitchState(StrEnum):
    """The values of T/running and T/label/<slug>, and the payloads of T/running/set."""

    ON = "ON"
    OFF = "OFF"


def encode(payload: Mapping[str, Any]) -> bytes:
    """Encode a payload for the wire: compact JSON in UTF-8.

    Raises:
        TypeError, ValueError: The payload cannot be represented in JSON.
    """
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def format_number(value: float) -> str:
    """Format the payload of a topic that holds one number, with up to 6 significant digits, such as 0.55."""
    return f"{value:.6g}"


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label with its score."""

    label: str
    score: float

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"label": self.label, "score": _score(self.score)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        return cls(data["label"], data["score"])


@dataclass(frozen=True, slots=True)
class LabelsPayload:
    """T/labels: the result of one frame.

    Attributes:
        time_s: When the frame was captured.
        frame: The frame's number since the program started.
        model_name: The bundle's name.
        model_version: The bundle's version.
        labels: The labels that pass the filter, best first.
        inference_ms: How long the model took.
    """

    time_s: float
    frame: int
    model_name: str
    model_version: str
    labels: tuple[LabelScore, ...]
    inference_ms: float

    @classmethod
    def from_result(
        cls, time_s: float, frame: int, model: ModelIdentity, labels: Sequence[Label], inference_ms: float
    ) -> Self:
        """Create the payload from the labeler's result for a frame."""
        return cls(time_s, frame, model.name, model.version, _label_scores(labels), inference_ms)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "time": to_rfc3339(self.time_s),
            "frame": self.frame,
            "model": {"name": self.model_name, "version": self.model_version},
            "labels": [label.as_dict() for label in self.labels],
            "inference_ms": round(self.inference_ms, 2),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        return cls(
            time_s=parse_rfc3339(data["time"]),
            frame=data["frame"],
            model_name=data["model"]["name"],
            model_version=data["model"]["version"],
            labels=tuple(map(LabelScore.from_dict, data["labels"])),
            inference_ms=data["inference_ms"],
        )


@dataclass(frozen=True, slots=True)
class StatePayload:
    """T/state: the labels of the current picture; on the wire `label` and `score` are those of the first, or null.

    Attributes:
        time_s: When the labels changed.
        model_name: The bundle's name.
        model_version: The bundle's version.
        labels: The labels that pass the filter, best first.
        known: Whether there are frames; on the wire only when False, because nothing is known without them.
    """

    time_s: float
    model_name: str
    model_version: str
    labels: tuple[LabelScore, ...]
    known: bool = True

    @classmethod
    def from_result(cls, time_s: float, model: ModelIdentity, labels: Sequence[Label], *, known: bool = True) -> Self:
        """Create the payload from the labeler's result for a frame, or without labels if there are no frames."""
        return cls(time_s, model.name, model.version, _label_scores(labels), known)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "label": self.labels[0].label if self.labels else None,
            "score": _score(self.labels[0].score) if self.labels else None,
            "labels": [label.as_dict() for label in self.labels],
            "time": to_rfc3339(self.time_s),
            "model": {"name": self.model_name, "version": self.model_version},
            **({} if self.known else {"known": False}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        return cls(
            time_s=parse_rfc3339(data["time"]),
            model_name=data["model"]["name"],
            model_version=data["model"]["version"],
            labels=tuple(map(LabelScore.from_dict, data["labels"])),
            known=data.get("known", True),
        )


@dataclass(frozen=True, slots=True)
class EventModel:
    """The model of an event, with its variant and experiment."""

    name: str
    version: str
    variant: str | None = None
    experiment: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "name": self.name,
            "version": self.version,
            "variant": self.variant,
            "experiment": self.experiment,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        return cls(data["name"], data["version"], data.get("variant"), data.get("experiment"))


@dataclass(frozen=True, slots=True)
class EventPayload:
    """T/event: a label started or ended.

    Attributes:
        id: The event id, the same for the start and the end.
        type: Start or end.
        label: The label's name.
        score: The label's score in the frame that caused this message.
        peak_score: The label's highest score since the start.
        started_s: When the event started.
        ended_s: When the event ended; None for a start.
        model: The model that reported the label.
        device: The device id.
        boot: The id of the program start that published the message.
        seq: The number of the message within that boot, from 1.
        reason: Why the event ended, unless the score caused the end; absent on the wire when None.
        late: Whether the message was delivered long after the event; absent on the wire when False.
        duration_s: How long the event lasted, by a clock that is never adjusted; absent on the wire when None.
        clock_step: Whether the wall clock was set during the event; absent on the wire when False.
        snapshot: Whether a picture of the event's first frame was sent; absent on the wire when None.
        former_device: The device id under which the event was written; absent on the wire unless it was another one.
    """

    id: str
    type: Literal["started", "ended"]
    label: str
    score: float
    peak_score: float
    started_s: float
    ended_s: float | None
    model: EventModel
    device: str
    boot: str
    seq: int
    reason: str | None = None
    late: bool = False
    duration_s: float | None = None
    clock_step: bool = False
    snapshot: bool | None = None
    former_device: str | None = None

    @classmethod
    def from_event(cls, event: Event, model: ModelIdentity, device: str, boot: str, seq: int) -> Self:
        """Create the payload for an event of the tracker."""
        return cls(
            id=event.id,
            type=event.type,
            label=event.label,
            score=event.score,
            peak_score=event.peak_score,
            started_s=event.started,
            ended_s=event.ended,
            model=EventModel(model.name, model.version, model.variant, model.experiment),
            device=device,
            boot=boot,
            seq=seq,
            reason=event.reason,
            duration_s=event.duration_s,
            clock_step=event.clock_step,
        )

    def to_event(self) -> Event:
        """Return what happened as the tracker reports it."""
        return Event(
            self.id, self.type, self.label, self.score, self.peak_score, self.started_s, self.ended_s, self.reason,
            self.duration_s, self.clock_step,
        )  # fmt: skip

    def end_at_restart(
        self, ended_s: float | None, progress: EventProgress | None, boot: str, seq: int
    ) -> "EventPayload":
        """Return the end that matches this start, whose process died before the event ended.

        Args:
            ended_s: The time of that process's last frame; None if unknown. The result is never before the start.
            progress: The event up to that frame; None if unknown.
            boot: The id of the current program start.
            seq: The number of the new message in this boot.
        """
        return replace(
            self,
            type="ended",
            peak_score=progress.peak_score if progress else self.peak_score,
            duration_s=progress.duration_s if progress else None,
            clock_step=progress.clock_step if progress else False,
            ended_s=self.started_s if ended_s is None else max(self.started_s, ended_s),
            boot=boot,
            seq=seq,
            reason="restart",
            late=False,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "id": self.id,
            "type": self.type,
            "label": self.label,
            "score": _score(self.score),
            "peak_score": _score(self.peak_score),
            "started": to_rfc3339(self.started_s),
            "ended": None if self.ended_s is None else to_rfc3339(self.ended_s),
            **({"reason": self.reason} if self.reason else {}),
            **({} if self.duration_s is None else {"duration_s": round(self.duration_s, 3)}),
            **({"clock_step": True} if self.clock_step else {}),
            "model": self.model.as_dict(),
            "device": self.device,
            **({"former_device": self.former_device} if self.former_device else {}),
            "boot": self.boot,
            "seq": self.seq,
            **({} if self.snapshot is None else {"snapshot": self.snapshot}),
            **({"late": True} if self.late else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        return cls(
            id=data["id"],
            type=data["type"],
            label=data["label"],
            score=data["score"],
            peak_score=data["peak_score"],
            started_s=parse_rfc3339(data["started"]),
            ended_s=None if data["ended"] is None else parse_rfc3339(data["ended"]),
            model=EventModel.from_dict(data["model"]),
            device=data["device"],
            boot=data["boot"],
            seq=data["seq"],
            reason=data.get("reason"),
            late=data.get("late", False),
            duration_s=data.get("duration_s"),
            clock_step=data.get("clock_step", False),
            snapshot=data.get("snapshot"),
            former_device=data.get("former_device"),
        )


def mark_late(payload: Mapping[str, Any], age_s: float) -> dict[str, Any]:
    """Return a durable payload, with `late` added if it is older than LATE_AFTER_S."""
    return {**payload, "late": True} if age_s > LATE_AFTER_S else dict(payload)


def _label_scores(labels: Sequence[Label]) -> tuple[LabelScore, ...]:
    return tuple(LabelScore(label.label, label.score) for label in labels)


def _score(score: float) -> float:
    return round(float(score), 4)
