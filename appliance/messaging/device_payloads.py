"""The payloads about the device itself: its figures, its model, and the steps of an update."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from appliance.system.timestamps import parse_rfc3339, to_rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsPayload:
    """T/stats: the figures of the device; None is null on the wire and means unknown.

    Attributes:
        fps: Frames labeled a second.
        dropped: Frames that were replaced by a newer one before they were labeled.
        inference_p50_ms: The median of the model's time for a frame.
        inference_p95_ms: Its 95th percentile.
        outbox_waiting: Durable messages that the broker has not acknowledged.
        outbox_dropped: Durable messages that were dropped since the start of the program.
        cpu_temp_c: The processor's temperature.
        rss_mb: The memory that the program occupies.
        uptime_s: Since the start of the program.
        started_s: The start of the program, Unix time.
        runtime: The TFLite runtime and its version.
        camera_state: The camera's state.
        camera_restarts: How often the camera was opened again.
        collect: The figures of the collection; absent on the wire when None.
    """

    fps: float
    dropped: int
    inference_p50_ms: float | None
    inference_p95_ms: float | None
    outbox_waiting: int
    outbox_dropped: int
    cpu_temp_c: float | None
    rss_mb: float
    uptime_s: float
    started_s: float
    runtime: str
    camera_state: str
    camera_restarts: int
    collect: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "fps": round(self.fps, 2),
            "dropped": self.dropped,
            "inference_ms": {"p50": _round(self.inference_p50_ms, 2), "p95": _round(self.inference_p95_ms, 2)},
            "outbox": {"waiting": self.outbox_waiting, "dropped": self.outbox_dropped},
            "cpu_temp_c": _round(self.cpu_temp_c, 1),
            "rss_mb": round(self.rss_mb, 1),
            "uptime_s": round(self.uptime_s, 1),
            "started": to_rfc3339(self.started_s),
            "runtime": self.runtime,
            "camera": {"state": self.camera_state, "restarts": self.camera_restarts},
            **({} if self.collect is None else {"collect": self.collect}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        return cls(
            fps=data["fps"],
            dropped=data["dropped"],
            inference_p50_ms=data["inference_ms"]["p50"],
            inference_p95_ms=data["inference_ms"]["p95"],
            outbox_waiting=data["outbox"]["waiting"],
            outbox_dropped=data["outbox"]["dropped"],
            cpu_temp_c=data["cpu_temp_c"],
            rss_mb=data["rss_mb"],
            uptime_s=data["uptime_s"],
            started_s=parse_rfc3339(data["started"]),
            runtime=data["runtime"],
            camera_state=data["camera"]["state"],
            camera_restarts=data["camera"]["restarts"],
            collect=data.get("collect"),
        )


@dataclass(frozen=True, slots=True)
class ModelPayload:
    """T/model: exactly the keys that Home Assistant's update entity takes; it rejects a message with any other.

    Attributes:
        installed_version: The version that runs.
        latest_version: The newest version known; None if unknown: the wire then repeats the installed one.
        title: The model's name.
        in_progress: Whether an update is under way.
        update_percentage: How far it is, 0–100; None if unknown.
    """

    installed_version: str
    latest_version: str | None
    title: str
    in_progress: bool = False
    update_percentage: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "installed_version": self.installed_version,
            "latest_version": self.latest_version or self.installed_version,
            "title": self.title,
            "in_progress": self.in_progress,
            "update_percentage": self.update_percentage,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON object."""
        return cls(
            installed_version=data["installed_version"],
            latest_version=data["latest_version"],
            title=data["title"],
            in_progress=data["in_progress"],
            update_percentage=data["update_percentage"],
        )


@dataclass(frozen=True, slots=True)
class UpdatePayload:
    """T/update: one step of a model update.

    Attributes:
        state: The step, as the manual lists them.
        version: The version it is about.
        sha256: The hash of its model file, in hex.
        reason: Why, for steps that have a reason.
    """

    state: str
    version: str | None
    sha256: str | None
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"state": self.state, "version": self.version, "sha256": self.sha256, "reason": self.reason}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON object; `late`, which a delayed delivery adds, is ignored."""
        return cls(data["state"], data["version"], data["sha256"], data["reason"])


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
