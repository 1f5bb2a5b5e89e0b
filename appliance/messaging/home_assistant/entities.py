"""The entities that every device has in Home Assistant, whatever its model: key → component of the announcement."""

from collections.abc import Sequence
from typing import Any

from appliance.camera.source import CameraState
from appliance.messaging.device_payloads import UPDATE_IDLE, UPDATE_STATES
from appliance.messaging.home_assistant.label_states import build_label_template, list_label_states
from appliance.messaging.topics import Topics

# The slider's range; a threshold outside it is shown as the nearest limit, instead of as unknown.
_THRESHOLD_MIN, _THRESHOLD_MAX = 0.05, 0.99

# A late event renders to an empty string, which Home Assistant ignores, so no automation acts on it.
_EVENT_TEMPLATE = (
    "{% set e = value_json %}{% if not e.late | default(false) %}"
    "{{ {'event_type': e.type, 'label': e.label, 'score': e.score, 'peak_score': e.peak_score, 'started': e.started,"
    " 'ended': e.ended, 'duration': e.get('duration_s'), 'reason': e.get('reason'), 'snapshot': e.get('snapshot'),"
    " 'model': e.model.name ~ ' ' ~ e.model.version, 'id': e.id} | to_json }}"
    "{% endif %}"
)
_SCORE_TEMPLATE = "{{ (value_json.score * 100) | round(1) if value_json.score is number else None }}"
_UPDATE_TEMPLATE = (
    f"{{% set s = (value_json.get('release_summary') or '').split(':')[0] %}}"
    f"{{{{ s if s in {list(map(str, UPDATE_STATES))} else '{UPDATE_IDLE}' }}}}"
)
_UPDATE_ATTRIBUTES = (
    "{{ {'version': value_json.latest_version,"
    " 'reason': (value_json.get('release_summary') or '').split(': ', 1)[1:] | join} | to_json }}"
)


def build_device_entities(topics: Topics, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the entities of the device.

    The first two have no availability of their own: they take that of the whole announcement, which requires frames.

    Args:
        topics: The device's topics.
        labels: The labels that have their own topics; empty for a model with many labels.
    """
    without_frames = {
        **_build_pictures(topics),
        **_build_controls(topics),
        **_build_model_entities(topics),
        **_build_diagnostics(topics),
    }
    available = {"availability": [{"topic": topics.availability}]}
    return {
        "top_label": _build_top_label(topics, labels),
        "score": _build_score(topics),
        **{key: entity | available for key, entity in without_frames.items()},
    }


def _build_top_label(topics: Topics, labels: Sequence[str]) -> dict[str, Any]:
    options = list_label_states(labels) if labels else []
    sensor: dict[str, Any] = {
        "platform": "sensor",
        "name": "Label",
        "icon": "mdi:tag",
        "state_topic": topics.state,
        "value_template": build_label_template(options),
    }
    return sensor | ({"device_class": "enum", "options": options} if options else {})


def _build_score(topics: Topics) -> dict[str, Any]:
    return {
        "platform": "sensor",
        "name": "Score",
        "icon": "mdi:percent",
        "state_topic": topics.state,
        "value_template": _SCORE_TEMPLATE,
        "unit_of_measurement": "%",
        "state_class": "measurement",
    }


def _build_pictures(topics: Topics) -> dict[str, dict[str, Any]]:
    return {
        "event": {
            "platform": "event",
            "name": "Event",
            "icon": "mdi:eye",
            "state_topic": topics.event,
            "event_types": ["started", "ended"],
            "value_template": _EVENT_TEMPLATE,
        },
        "snapshot": {
            "platform": "image",
            "name": "Snapshot",
            "image_topic": topics.snapshot,
            "content_type": "image/jpeg",
        },
        "picture": {"platform": "camera", "name": "Snapshot", "topic": topics.snapshot},
    }


def _build_controls(topics: Topics) -> dict[str, dict[str, Any]]:
    config = {"entity_category": "config"}
    threshold = {
        "platform": "number",
        "name": "Threshold",
        "icon": "mdi:tune",
        "state_topic": topics.threshold,
        "command_topic": topics.threshold_set,
        "value_template": f"{{{{ [[value | float(0), {_THRESHOLD_MIN}] | max, {_THRESHOLD_MAX}] | min }}}}",
        "min": _THRESHOLD_MIN,
        "max": _THRESHOLD_MAX,
        "step": 0.01,
        "mode": "slider",
    }
    reset = _build_button("Reset the threshold", topics.threshold_set, "mdi:restore", payload_press="default")
    return {
        "threshold": threshold | config,
        "threshold_reset": reset | config,
        "running": _build_switch("Running", topics.running, topics.running_set, "mdi:play-circle"),
        "snapshots": _build_switch("Snapshots", topics.snapshots, topics.snapshots_set, "mdi:image-plus"),
        "collect": _build_switch("Collect pictures", topics.collect, topics.collect_set, "mdi:image-multiple"),
        "take_snapshot": _build_button("Take a snapshot", topics.snapshot_get, "mdi:camera"),
        "restart": _build_button("Restart", topics.restart, None, device_class="restart") | config,
    }


def _build_model_entities(topics: Topics) -> dict[str, dict[str, Any]]:
    config = {"entity_category": "config"}
    return {
        "model": {
            "platform": "update",
            "name": "Model",
            "device_class": "firmware",
            "state_topic": topics.model,
            "command_topic": topics.model_install,
            "payload_install": "latest",
        },
        "update_state": {
            "platform": "sensor",
            "name": "Update state",
            "icon": "mdi:update",
            "device_class": "enum",
            "options": [UPDATE_IDLE, *UPDATE_STATES],
            "state_topic": topics.model,
            "value_template": _UPDATE_TEMPLATE,
            "json_attributes_topic": topics.model,
            "json_attributes_template": _UPDATE_ATTRIBUTES,
            "entity_category": "diagnostic",
        },
        "check": _build_button("Check for a newer model", topics.model_check, "mdi:cloud-search") | config,
        "rollback": _build_button("Back to the previous model", topics.model_rollback, "mdi:undo") | config,
    }


def _build_diagnostics(topics: Topics) -> dict[str, dict[str, Any]]:
    camera = _build_diagnostic(topics, "Camera", "camera.state", icon="mdi:cctv", device_class="enum")
    ip_address = _build_diagnostic(topics, "IP address", "ip_address", icon="mdi:ip-network")
    return {
        "camera": camera | {"options": list(map(str, CameraState))},
        "fps": _build_diagnostic(topics, "Frames per second", "fps", unit="fps", icon="mdi:speedometer"),
        "dropped": _build_diagnostic(
            topics, "Dropped frames", "dropped", icon="mdi:image-off", state_class="total_increasing"
        ),
        "inference_ms": _build_diagnostic(
            topics, "Inference time", "inference_ms.p50", device_class="duration", unit="ms"
        ),
        "cpu_temp": _build_diagnostic(topics, "CPU temperature", "cpu_temp_c", device_class="temperature", unit="°C"),
        "memory": _build_diagnostic(topics, "Memory", "rss_mb", device_class="data_size", unit="MB"),
        "disk_free": _build_diagnostic(topics, "Free disk space", "disk_free_mb", device_class="data_size", unit="MB"),
        "ip_address": ip_address,
        "uptime": _build_diagnostic(topics, "Uptime", "uptime_s", device_class="duration", unit="s"),
        "started": _build_diagnostic(topics, "Started", "started", device_class="timestamp"),
    }


def _build_switch(name: str, state_topic: str, command_topic: str, icon: str) -> dict[str, Any]:
    return {
        "platform": "switch",
        "name": name,
        "icon": icon,
        "state_topic": state_topic,
        "command_topic": command_topic,
        "entity_category": "config",
    }


def _build_button(name: str, command_topic: str, icon: str | None, **more: str) -> dict[str, Any]:
    return {
        "platform": "button",
        "name": name,
        **({"icon": icon} if icon else {}),
        "command_topic": command_topic,
        **more,
    }


def _build_diagnostic(
    topics: Topics, name: str, value: str, *, unit: str | None = None, state_class: str | None = None, **more: str
) -> dict[str, Any]:
    """Return a sensor that shows one key of T/stats; null and a missing key are unknown."""
    *parents, key = value.split(".")
    path = "".join(f".{parent}" for parent in parents)
    sensor: dict[str, Any] = {
        "platform": "sensor",
        "name": name,
        "state_topic": topics.stats,
        "value_template": f"{{{{ value_json{path}.get('{key}') }}}}",
        "entity_category": "diagnostic",
        **more,
    }
    if unit:
        sensor |= {"unit_of_measurement": unit}
    if unit or state_class:
        sensor |= {"state_class": state_class or "measurement"}
    return sensor
