"""Describe the running device for the page, in one object that the stream repeats when it changes."""

import socket
import time
from typing import Any

from appliance.bundle.documents import has_card, has_report
from appliance.camera.source import CameraState
from appliance.daemon.page.notifier import PageListener
from appliance.daemon.page.sources import PageSources
from appliance.labeling.kernels import describe_slow_kernels
from appliance.labeling.label_filter import DEFAULT_THRESHOLD
from appliance.system.time_zone import describe_time_zone
from appliance.system.timestamps import to_rfc3339
from appliance.updates.steps import UpdateState

_SHOWN_LABELS = 5
_CAMERA_TROUBLE = (CameraState.ABSENT, CameraState.BUSY, CameraState.STALLED, CameraState.ENDED)


def describe_status(sources: PageSources, version: str, name: str) -> dict[str, Any]:
    """Return the object of GET /api/status, without `viewers`.

    Args:
        sources: The parts.
        version: The version of the program.
        name: The display name of the device.
    """
    parts = sources.parts
    status: dict[str, Any] = {
        "device": {
            "id": parts.device,
            "name": name,
            "version": version,
            "host": socket.gethostname(),
            "timezone": describe_time_zone(),
            "time": to_rfc3339(time.time()),
        },
        "camera": _describe_camera(sources),
        "running": parts.switches.running,
        "snapshots": parts.switches.snapshots,
        "collect": parts.switches.collect,
        "labeling": {
            "state": str(parts.health.report.state),
            "reason": parts.health.report.reason or parts.pipeline.error,
        },
        **describe_current(sources.listener),
        "labels": describe_best(sources, _SHOWN_LABELS),
        **_describe_thresholds(sources),
        "model": describe_running_model(sources),
        "update": _describe_update(sources),
        "broker": {
            "connected": parts.publisher.connected,
            "trouble": parts.publisher.error,
            "waiting": parts.outbox.waiting,
        },
        "history": {
            "enabled": parts.history is not None,
            "error": parts.history.error if parts.history else None,
        },
    }
    return status | {"problems": _find_problems(sources, status)}


def describe_current(listener: PageListener) -> dict[str, Any]:
    """Return `known` and `current`."""
    current, since_s = listener.current, listener.since_s
    return {
        "known": listener.known,
        "current": None
        if current is None
        else {
            "label": current[0],
            "score": round(current[1], 4),
            "since": None if since_s is None else to_rfc3339(since_s),
        },
    }


def describe_best(sources: PageSources, count: int) -> list[dict[str, Any]]:
    """Return the best labels of the newest frame that may be reported, whatever the threshold."""
    result = sources.parts.latest.result
    if result is None:
        return []
    scores = result.engine.filter.mask(result.scores)
    best = (-scores).argsort(kind="stable")[: count * 4].tolist()
    labels = result.engine.labeler.labels
    return [
        {"label": labels[index], "score": round(float(scores[index]), 4), "index": index}
        for index in best
        if result.engine.filter.reportable[index]
    ][:count]


def describe_running_model(sources: PageSources) -> dict[str, Any]:
    """Return `model` of the status."""
    bundle = sources.parts.active.current.bundle
    identity = bundle.identity
    installed = sources.read_store()
    current = None if sources.parts.active.is_overridden else installed.current
    if sources.parts.active.is_overridden:
        origin = "labeler.model of the settings"
    else:
        origin = current.origin if current else "came with the program"
    return {
        "name": identity.name,
        "version": identity.version,
        "sha256": identity.sha256,
        "input": sources.parts.active.input_description,
        "runtime": sources.parts.active.current.runtime,
        "kernels": sources.parts.active.current.kernels,
        "labels": list(bundle.labels),
        "description": bundle.description,
        "card": has_card(bundle.folder),
        "report": has_report(bundle.folder),
        "since": current.delivered if current else None,
        "origin": origin,
    }


def _describe_camera(sources: PageSources) -> dict[str, Any]:
    capture, result = sources.parts.capture, sources.parts.latest.result
    last_s = capture.last_frame_s
    points = sources.stats.points()
    return {
        "state": str(capture.status.state),
        "reason": capture.status.reason,
        "description": capture.status.description,
        "fps": sources.rate.fps or (points[-1]["fps"] if points else None),
        "age_s": None if last_s is None else round(time.monotonic() - last_s, 1),
        "size": None if result is None else [result.frame.pixels.shape[1], result.frame.pixels.shape[0]],
    }


def _describe_thresholds(sources: PageSources) -> dict[str, Any]:
    """Return `threshold`, with the level that it comes from, and `thresholds` of single labels."""
    parts = sources.parts
    bundle, settings = parts.active.current.bundle, parts.live.settings.labeler
    configured = parts.pipeline.remote_threshold
    configured = settings.threshold if configured is None else configured
    default = next(value for value in (configured, bundle.confidence_threshold, DEFAULT_THRESHOLD) if value is not None)
    if parts.switch.has_set_threshold:
        source = "mqtt"
    elif configured is not None:
        source = "settings"
    else:
        source = "default" if bundle.confidence_threshold is None else "model"
    engine = parts.pipeline.engine
    value = engine.filter.threshold if engine else default
    own = (
        {
            label: round(float(threshold), 4)
            for label, threshold in zip(engine.labeler.labels, engine.filter.thresholds, strict=True)
            if abs(float(threshold) - value) > 1e-6
        }
        if engine
        else {}
    )
    return {
        "threshold": {"value": round(value, 4), "source": source, "default": round(default, 4)},
        "thresholds": own,
    }


def _describe_update(sources: PageSources) -> dict[str, Any]:
    status, updater = sources.parts.update_host.status, sources.parts.updater
    left_s = updater.probation_left_s
    return {
        "source": sources.parts.live.settings.update.source,
        "state": None if status.state is None else str(status.state),
        "version": status.latest_version,
        "reason": status.reason,
        "percentage": status.percentage,
        "available": status.latest_version if status.state == UpdateState.AVAILABLE else None,
        "probation_left_s": None if left_s is None else round(left_s),
    }


def _find_problems(sources: PageSources, status: dict[str, Any]) -> list[dict[str, str]]:
    """Return what needs attention, with the sentence that `appliance check` would give."""
    parts = sources.parts
    camera, broker = parts.capture.status, status["broker"]
    found = []
    if camera.state in _CAMERA_TROUBLE:
        found.append(("camera", camera.reason or f"the camera is {camera.state}"))
    if status["labeling"]["reason"]:
        found.append(("labeling", status["labeling"]["reason"]))
    running = parts.active.current
    if warning := describe_slow_kernels(running.kernels, running.runtime):
        found.append(("model", warning))
    if not broker["connected"]:
        trouble = broker["trouble"] or "there is no connection to the broker yet"
        found.append(("broker", f"{trouble}; {broker['waiting']} events wait"))
    if error := status["history"]["error"]:
        found.append(("history", error))
    if error := sources.state_error or parts.outbox.error:
        found.append(("disk", error))
    return [{"part": part, "message": message} for part, message in found]
