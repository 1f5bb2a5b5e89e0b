"""The entities and device triggers of each label in Home Assistant, in groups by importance."""

from collections.abc import Callable, Mapping
from typing import Any

from appliance.messaging.topics import Topics

Components = dict[str, dict[str, Any]]

_MAX_NAME_CHARACTERS = 64  # Home Assistant makes entity ids from names, and limits those to 255 characters
_TRIGGER_TEMPLATE = "{{value_json.get('late',value_json.type~value_json.label)}}"


def build_presence_sensor(topics: Topics, label: str, slug: str) -> Components:
    """Return the binary sensor of a label: whether it is present."""
    return {
        f"label_{slug}": {
            "platform": "binary_sensor",
            "name": shorten_name(label),
            "device_class": "occupancy",
            "state_topic": topics.label(slug),
            "qos": 1,
        }
    }


def build_start_trigger(topics: Topics, label: str, slug: str) -> Components:
    """Return the device trigger that fires when a label starts."""
    return _build_trigger(topics, label, slug, "started")


def build_end_trigger(topics: Topics, label: str, slug: str) -> Components:
    """Return the device trigger that fires when a label ends."""
    return _build_trigger(topics, label, slug, "ended")


def build_last_seen(topics: Topics, label: str, slug: str) -> Components:
    """Return the sensor of the time when a label was last present; disabled by default."""
    return {
        f"seen_{slug}": {
            "platform": "sensor",
            "name": shorten_name(label, " last seen"),
            "device_class": "timestamp",
            "state_topic": topics.last_seen(slug),
            "enabled_by_default": False,
        }
    }


def build_count_today(topics: Topics, label: str, slug: str) -> Components:
    """Return the sensor of the number of times that a label started today; disabled by default."""
    return {
        f"count_{slug}": {
            "platform": "sensor",
            "name": shorten_name(label, " today"),
            "state_topic": topics.today(slug),
            "enabled_by_default": False,
        }
    }


def build_last_picture(topics: Topics, label: str, slug: str) -> Components:
    """Return the picture of the last start of a label; disabled by default."""
    return {
        f"picture_{slug}": {
            "platform": "image",
            "name": shorten_name(label, " last picture"),
            "image_topic": topics.picture(slug),
            "enabled_by_default": False,
        }
    }


OPTIONAL_GROUPS: tuple[Callable[[Topics, str, str], Components], ...] = (
    build_start_trigger,
    build_last_seen,
    build_count_today,
    build_last_picture,
    build_end_trigger,
)
"""What a label has besides its binary sensor; the last groups are omitted first if the announcement is too large."""

_PLATFORMS: Mapping[str, str] = {
    "label": "binary_sensor",
    "started": "device_automation",
    "ended": "device_automation",
    "seen": "sensor",
    "count": "sensor",
    "picture": "image",
}


def list_label_components(slug: str) -> dict[str, str]:
    """Return every component that a label may have had in an announcement: key → platform."""
    return {f"{prefix}_{slug}": platform for prefix, platform in _PLATFORMS.items()}


def shorten_name(label: str, suffix: str = "") -> str:
    """Return the name of a label's entity, with at most 64 characters."""
    limit = _MAX_NAME_CHARACTERS - len(suffix)
    return (label if len(label) <= limit else label[: limit - 1] + "…") + suffix


def _build_trigger(topics: Topics, label: str, slug: str, kind: str) -> Components:
    if any(mark in label for mark in ("{{", "{%", "{#")):
        return {}  # Home Assistant would run the label as a template
    return {
        f"{kind}_{slug}": {
            "platform": "device_automation",
            "automation_type": "trigger",
            "type": kind,
            "subtype": shorten_name(label),
            "topic": topics.event,
            "value_template": _TRIGGER_TEMPLATE,
            "payload": f"{kind}{label}".strip(),
            "qos": 1,
        }
    }
