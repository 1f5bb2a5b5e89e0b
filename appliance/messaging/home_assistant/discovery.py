"""The device's announcement to Home Assistant: one retained message that describes all of its entities.

Requirements of Home Assistant's MQTT integration, found by testing: `origin` and every `unique_id` are mandatory; `qos`
takes effect only inside a component; the state of an enum becomes unknown if it is not one of the options, so the
message is sent again when the labels change; a component is removed only by an entry that contains nothing but its
platform; if two messages follow each other quickly, new components in the second are ignored, so messages are spaced.
"""

from collections.abc import Mapping
from typing import Any

from appliance import __version__
from appliance.messaging.topics import Topics

MAX_WATCHED_LABELS = 32
"""A model with more labels than this gets no entity per label, unless the settings list the labels to report."""

_NONE = "none"

# The slider's range; a threshold outside it is shown as the nearest limit, instead of as unknown.
_THRESHOLD_MIN, _THRESHOLD_MAX = 0.05, 0.99

# A late event renders to an empty string, which Home Assistant ignores, so no automation acts on it.
_EVENT_TEMPLATE = (
    "{% if not value_json.late | default(false) %}"
    "{{ {'event_type': value_json.type, 'label': value_json.label, 'score': value_json.score,"
    " 'id': value_json.id} | to_json }}"
    "{% endif %}"
)


def build_discovery(
    topics: Topics, name: str, watched: Mapping[str, str], removed: Mapping[str, str]
) -> dict[str, Any]:
    """Build the message for `topics.discovery`.

    Args:
        topics: The device's topics.
        name: The device's display name.
        watched: Each label that has its own topic → its slug; empty for a model with many labels.
        removed: Components that were announced earlier and no longer exist: key → platform.
    """
    entities = _build_readings(topics) | _build_controls(topics) | _build_diagnostics(topics)
    entities |= {"top_label": _build_top_label(topics, watched)}
    for label, slug in watched.items():
        sensor = {
            "platform": "binary_sensor",
            "name": label,
            "device_class": "occupancy",
            "state_topic": topics.label(slug),
        }
        entities[f"label_{slug}"] = sensor
    components = {
        key: {**entity, "unique_id": f"appliance_{topics.device}_{key}", "qos": 1} for key, entity in entities.items()
    }
    components |= {key: {"platform": platform} for key, platform in removed.items() if key not in components}
    return {
        "device": {
            "identifiers": [f"appliance_{topics.device}"],
            "name": name,
            "model": "Camera appliance",
            "sw_version": __version__,
        },
        "origin": {"name": "camera-appliance", "sw_version": __version__},
        "availability_topic": topics.availability,
        "components": components,
    }


def _build_top_label(topics: Topics, watched: Mapping[str, str]) -> dict[str, Any]:
    sensor: dict[str, Any] = {
        "platform": "sensor",
        "name": "Label",
        "state_topic": topics.state,
        "value_template": f"{{{{ value_json.label or '{_NONE}' }}}}",
    }
    if watched:
        sensor |= {"device_class": "enum", "options": list(dict.fromkeys([*watched, _NONE]))}
    return sensor


def _build_readings(topics: Topics) -> dict[str, dict[str, Any]]:
    return {
        "score": {
            "platform": "sensor",
            "name": "Score",
            "state_topic": topics.state,
            "value_template": "{{ ((value_json.score or 0) * 100) | round(1) }}",
            "unit_of_measurement": "%",
            "state_class": "measurement",
        },
        "event": {
            "platform": "event",
            "name": "Event",
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
    }


def _build_controls(topics: Topics) -> dict[str, dict[str, Any]]:
    return {
        "threshold": {
            "platform": "number",
            "name": "Threshold",
            "state_topic": topics.threshold,
            "command_topic": topics.threshold_set,
            "value_template": f"{{{{ [[value | float, {_THRESHOLD_MIN}] | max, {_THRESHOLD_MAX}] | min }}}}",
            "min": _THRESHOLD_MIN,
            "max": _THRESHOLD_MAX,
            "step": 0.01,
            "mode": "slider",
            "entity_category": "config",
        },
        "running": {
            "platform": "switch",
            "name": "Running",
            "state_topic": topics.running,
            "command_topic": topics.running_set,
            "entity_category": "config",
        },
        "model": {
            "platform": "update",
            "name": "Model",
            "device_class": "firmware",
            "state_topic": topics.model,
            "command_topic": topics.model_install,
            "payload_install": "latest",
        },
        "check": _build_button("Check for a newer model", topics.model_check, entity_category="config"),
        "rollback": _build_button("Back to the previous model", topics.model_rollback, entity_category="config"),
        "take_snapshot": _build_button("Take a snapshot", topics.snapshot_get),
        "restart": _build_button("Restart", topics.restart, entity_category="config", device_class="restart"),
    }


def _build_diagnostics(topics: Topics) -> dict[str, dict[str, Any]]:
    return {
        "inference_ms": _build_diagnostic(topics, "Inference time", "value_json.inference_ms.p50", "duration", "ms"),
        "cpu_temp": _build_diagnostic(topics, "CPU temperature", "value_json.cpu_temp_c", "temperature", "°C"),
        "started": _build_diagnostic(topics, "Started", "value_json.started", "timestamp", None),
    }


def _build_button(name: str, command_topic: str, **more: str) -> dict[str, Any]:
    return {"platform": "button", "name": name, "command_topic": command_topic, **more}


def _build_diagnostic(topics: Topics, name: str, value: str, device_class: str, unit: str | None) -> dict[str, Any]:
    sensor = {
        "platform": "sensor",
        "name": name,
        "state_topic": topics.stats,
        "value_template": f"{{{{ {value} }}}}",
        "device_class": device_class,
        "entity_category": "diagnostic",
    }
    return sensor | ({"unit_of_measurement": unit, "state_class": "measurement"} if unit else {})
