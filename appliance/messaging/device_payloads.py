"""The payloads about the device itself: its statistics, its model, and the steps of an update."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from appliance.system.timestamps import parse_rfc3339, to_rfc3339

UPDATE_IDLE = "idle"
"""What the sensor of the update state shows when no update is offered or in progress."""

UPDATE_STATES = (
    "available", "downloading", "verifying", "probing", "swapped", "probation", "committed", "rolled_back", "refused",
    "failed", "waiting", "passed_over",
)  # fmt: skip
"""The states that the release_summary of T/model may begin with: those of T/update, and `passed_over`."""


class LabelingState(StrEnum):
    """The values of `labeling` in T/stats."""

    OK = "ok"
    FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsPayload:
    """T/stats: the statistics of the device; None is null on the wire and means unknown.

    Attributes:
        fps: Frames labeled per second.
        dropped: Frames that were replaced by a newer one before they were labeled.
        inference_p50_ms: The median inference time per frame.
        inference_p95_ms: The 95th percentile of the inference time per frame.
        outbox_waiting: Durable messages that the broker has not acknowledged.
        outbox_dropped: Durable messages dropped since the program started.
        cpu_temp_c: The CPU temperature.
        rss_mb: The resident memory of the program.
        uptime_s: Seconds since the program started.
        started_s: When the program started, Unix time.
        runtime: The TFLite runtime and its version.
        camera_state: The camera's state.
        camera_restarts: How often the camera was reopened.
        time_s: When the statistics were collected, Unix time; None is absent on the wire.
        unchanged_s: How long a live camera has delivered the same pixels; None if they change.
        damaged: Frames withheld as damaged since the program started.
        labeling: Whether frames can be labeled.
        labeling_errors: Frames that could not be labeled since the program started.
        set_aside: Durable messages that cannot be read or delivered and no longer delay the others.
        kernels: The kernels of the runtime that compute the scores; None if unknown.
        collect: The statistics of the frame collection; absent on the wire when None.
        storage_error: Why the state folder or the outbox cannot be written; absent on the wire when None.
        disk_free_mb: The free space on the disk of the state folder in MB; absent on the wire when None.
        ip_address: The address on the network of the default route; absent on the wire when None.
        viewers: The number of open pages; absent on the wire when None, while the page is off.
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
    time_s: float | None = None
    unchanged_s: float | None = None
    damaged: int = 0
    labeling: LabelingState = LabelingState.OK
    labeling_errors: int = 0
    set_aside: int = 0
    kernels: str | None = None
    collect: Mapping[str, Any] | None = None
    storage_error: str | None = None
    disk_free_mb: float | None = None
    ip_address: str | None = None
    viewers: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            **({} if self.time_s is None else {"time": to_rfc3339(self.time_s)}),
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
            "unchanged_s": _round(self.unchanged_s, 1),
            "damaged": self.damaged,
            "labeling": self.labeling,
            "labeling_errors": self.labeling_errors,
            "set_aside": self.set_aside,
            "kernels": self.kernels,
            **({} if self.collect is None else {"collect": self.collect}),
            **({} if self.storage_error is None else {"storage_error": self.storage_error}),
            **({} if self.disk_free_mb is None else {"disk_free_mb": self.disk_free_mb}),
            **({} if self.ip_address is None else {"ip_address": self.ip_address}),
            **({} if self.viewers is None else {"viewers": self.viewers}),
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
            time_s=parse_rfc3339(data["time"]) if "time" in data else None,
            unchanged_s=data.get("unchanged_s"),
            damaged=data.get("damaged", 0),
            labeling=LabelingState(data.get("labeling", LabelingState.OK)),
            labeling_errors=data.get("labeling_errors", 0),
            set_aside=data.get("set_aside", 0),
            kernels=data.get("kernels"),
            collect=data.get("collect"),
            storage_error=data.get("storage_error"),
            disk_free_mb=data.get("disk_free_mb"),
            ip_address=data.get("ip_address"),
            viewers=data.get("viewers"),
        )


@dataclass(frozen=True, slots=True)
class ModelPayload:
    """T/model: exactly the keys that Home Assistant's update entity accepts; it rejects a message with other keys.

    Attributes:
        installed_version: The version in use.
        latest_version: The newest known version; if None (unknown), the wire repeats the installed version.
        title: The model's name.
        in_progress: Whether an update is in progress.
        update_percentage: The progress of the update, 0–100; None if unknown.
        release_summary: The state of the update, then after ": " the reason; without a state or a reason, the input of
            the running model, as the manifest, its metadata, or an assumption states it.
    """

    installed_version: str
    latest_version: str | None
    title: str
    in_progress: bool = False
    update_percentage: float | None = None
    release_summary: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "installed_version": self.installed_version,
            "latest_version": self.latest_version or self.installed_version,
            "title": self.title,
            "in_progress": self.in_progress,
            "update_percentage": self.update_percentage,
            "release_summary": self.release_summary,
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
            release_summary=data.get("release_summary", ""),
        )


@dataclass(frozen=True, slots=True)
class UpdatePayload:
    """T/update: one step of a model update.

    Attributes:
        state: The step; the manual lists the steps.
        version: The version of the model.
        sha256: The SHA-256 of the model file, in hex.
        reason: Why the step was taken, for steps that have a reason.
        id: Identifies the message, so that a duplicate is recognized; None leaves it out, as for the next three.
        time: When the step was taken, RFC 3339.
        boot: The id of the program start.
        seq: Counts the steps within a boot, from 1.
    """

    state: str
    version: str | None
    sha256: str | None
    reason: str | None = None
    id: str | None = None
    time: str | None = None
    boot: str | None = None
    seq: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        values = {"state": self.state, "version": self.version, "sha256": self.sha256, "reason": self.reason}
        marks = {"id": self.id, "time": self.time, "boot": self.boot, "seq": self.seq}
        return values | {key: mark for key, mark in marks.items() if mark is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON object; `late`, which a delayed delivery adds, is ignored."""
        marks = (data.get(key) for key in ("id", "time", "boot", "seq"))
        return cls(data["state"], data["version"], data["sha256"], data["reason"], *marks)


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
