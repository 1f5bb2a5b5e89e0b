"""Every payload: its keys, in the order in which people read them.

Payloads are built as dicts and become bytes in one place (`encode`). Times are RFC 3339 in UTC with milliseconds.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from appliance.bundle.identity import ModelIdentity
from appliance.labeling.labels import Label
from appliance.labeling.tracker import Event

LATE_AFTER_S = 60.0
"""A delivery older than this says so, because an automation must not act on what is long past."""


def rfc3339(unix_s: float) -> str:
    """Seconds since 1970 UTC → `2026-01-31T12:00:00.123Z`."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix(text: str) -> float:
    """The reverse of `rfc3339`. Raises ValueError for what is not a time."""
    return datetime.fromisoformat(text).timestamp()


def encode(payload: Any) -> bytes:
    """A payload as it goes over the wire: JSON in UTF-8 without spaces."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def labels_payload(
    time_s: float, frame: int, model: ModelIdentity, labels: Sequence[Label], inference_ms: float
) -> dict[str, Any]:
    """T/labels: what was seen in one frame. `frame` is its number since the start of the program."""
    return {
        "time": rfc3339(time_s),
        "frame": frame,
        "model": _model(model),
        "labels": _scores(labels),
        "inference_ms": round(inference_ms, 2),
    }


def state_payload(time_s: float, model: ModelIdentity, labels: Sequence[Label]) -> dict[str, Any]:
    """T/state: the first label and all of them; `label` and `score` are null when nothing passes."""
    return {
        "label": labels[0].label if labels else None,
        "score": _score(labels[0].score) if labels else None,
        "labels": _scores(labels),
        "time": rfc3339(time_s),
        "model": _model(model),
    }


def event_payload(event: Event, model: ModelIdentity, device: str, boot: str, seq: int) -> dict[str, Any]:
    """T/event: a label started or ended.

    Args:
        event: From the tracker.
        model: Whose label it is.
        device: The device id.
        boot: The id of this start of the program.
        seq: 1 for the first event of this boot, counting up.
    """
    payload = {
        "id": event.id,
        "type": event.type,
        "label": event.label,
        "score": _score(event.score),
        "peak_score": _score(event.peak_score),
        "started": rfc3339(event.started),
        "ended": None if event.ended is None else rfc3339(event.ended),
    }
    if event.reason:
        payload["reason"] = event.reason
    whose = {"name": model.name, "version": model.version, "variant": model.variant, "experiment": model.experiment}
    return payload | {"model": whose, "device": device, "boot": boot, "seq": seq}


def restart_payload(
    started: Mapping[str, Any], ended_s: float | None, peak_score: float | None, boot: str, seq: int
) -> dict[str, Any]:
    """T/event: the end of an event that was open when an earlier process died.

    Args:
        started: The payload of its start.
        ended_s: The time of that process's last frame, where it is known; never before the start.
        peak_score: The greatest score since the start, where it is known.
        boot: The id of this start of the program, which says the end.
        seq: Its number in this boot.
    """
    begun_s = unix(started["started"])
    end = {
        "type": "ended",
        "peak_score": started["peak_score"] if peak_score is None else _score(peak_score),
        "ended": rfc3339(begun_s if ended_s is None else max(begun_s, ended_s)),
        "reason": "restart",
        "boot": boot,
        "seq": seq,
    }
    order = (
        "id",
        "type",
        "label",
        "score",
        "peak_score",
        "started",
        "ended",
        "reason",
        "model",
        "device",
        "boot",
        "seq",
    )
    whole = {**started, **end}
    return {key: whole[key] for key in order}


def marked_late(payload: Mapping[str, Any], age_s: float) -> dict[str, Any]:
    """An event's payload as it is delivered `age_s` seconds after it was written: with `late` when that is long."""
    return {**payload, "late": True} if age_s > LATE_AFTER_S else dict(payload)


def stats_payload(
    *,
    fps: float,
    dropped: int,
    inference_p50_ms: float | None,
    inference_p95_ms: float | None,
    outbox_waiting: int,
    outbox_dropped: int,
    cpu_temp_c: float | None,
    rss_mb: float,
    uptime_s: float,
    started: float,
    runtime: str,
    camera_state: str,
    camera_restarts: int,
) -> dict[str, Any]:
    """T/stats: how the device is doing. Null stands for what is not known here; `started` is in seconds since 1970 UTC."""
    return {
        "fps": round(fps, 2),
        "dropped": dropped,
        "inference_ms": {"p50": _rounded(inference_p50_ms, 2), "p95": _rounded(inference_p95_ms, 2)},
        "outbox": {"waiting": outbox_waiting, "dropped": outbox_dropped},
        "cpu_temp_c": _rounded(cpu_temp_c, 1),
        "rss_mb": round(rss_mb, 1),
        "uptime_s": round(uptime_s, 1),
        "started": rfc3339(started),
        "runtime": runtime,
        "camera": {"state": camera_state, "restarts": camera_restarts},
    }


def model_payload(
    installed_version: str,
    latest_version: str | None,
    title: str,
    in_progress: bool = False,
    update_percentage: float | None = None,
) -> dict[str, Any]:
    """T/model: exactly the keys that Home Assistant's update entity takes; any other and it refuses the message.

    Without a known latest version the installed one stands for it, so that no update is shown.
    """
    return {
        "installed_version": installed_version,
        "latest_version": latest_version or installed_version,
        "title": title,
        "in_progress": in_progress,
        "update_percentage": update_percentage,
    }


def update_payload(state: str, version: str | None, sha256: str | None, reason: str | None = None) -> dict[str, Any]:
    """T/update: one step of a model update."""
    return {"state": state, "version": version, "sha256": sha256, "reason": reason}


def number(value: float) -> str:
    """A plain number for a topic that holds nothing else, without noise digits: 0.55."""
    return f"{value:.6g}"


def _model(model: ModelIdentity) -> dict[str, str]:
    return {"name": model.name, "version": model.version}


def _scores(labels: Sequence[Label]) -> list[dict[str, Any]]:
    return [{"label": label.label, "score": _score(label.score)} for label in labels]


def _score(score: float) -> float:
    return round(float(score), 4)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
