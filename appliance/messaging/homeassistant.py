"""How the device announces itself to Home Assistant: one retained message that describes all of its entities.

Home Assistant is particular (found by trying, with its MQTT integration): `origin` and every `unique_id` are a must,
`qos` counts only inside a component, an enum's state outside its options stays unknown (so the message is sent anew
when the labels change), a component goes away only by an entry that holds its platform alone, and of two messages
right after each other the second one's new components are lost (so they are sent with a gap).
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from appliance import __version__
from appliance.messaging.topics import Topics

WATCHED_LIMIT = 32
"""A model with more labels than this has no entity for each, unless the settings name the labels that count."""

_NONE = "none"
_GAP_S = 5.0
_SETTLE_S = 0.3
# Home Assistant asks its devices to come one after the other once it has started.
_AFTER_ONLINE_S = (1.0, 8.0)

# The slider's ends. The threshold may lie outside of them, and then shows at the nearer end rather than not at all.
_THRESHOLD_MIN, _THRESHOLD_MAX = 0.05, 0.99

# An event of long ago renders to nothing, which Home Assistant passes over: no automation acts on it.
_EVENT_TEMPLATE = (
    "{% if not value_json.late | default(false) %}"
    "{{ {'event_type': value_json.type, 'label': value_json.label, 'score': value_json.score, 'id': value_json.id} | to_json }}"
    "{% endif %}"
)


def discovery(topics: Topics, name: str, watched: Mapping[str, str], gone: Mapping[str, str]) -> dict[str, Any]:
    """The whole message for `topics.discovery`.

    Args:
        topics: The device's topics.
        name: Its name for people.
        watched: The labels that have a topic of their own → their slugs; empty for a model with many labels.
        gone: Components that were announced before and are no more: their key → their platform.
    """
    entities = _components(topics) | {"top_label": _top_label(topics, watched)}
    for label, slug in watched.items():
        sensor = {"platform": "binary_sensor", "name": label, "device_class": "occupancy", "state_topic": topics.label(slug)}
        entities[f"label_{slug}"] = sensor
    whole = {key: {**entity, "unique_id": f"appliance_{topics.device}_{key}", "qos": 1} for key, entity in entities.items()}
    whole |= {key: {"platform": platform} for key, platform in gone.items() if key not in whole}
    return {
        "device": {
            "identifiers": [f"appliance_{topics.device}"],
            "name": name,
            "model": "Camera appliance",
            "sw_version": __version__,
        },
        "origin": {"name": "camera-appliance", "sw_version": __version__},
        "availability_topic": topics.availability,
        "components": whole,
    }


def _top_label(topics: Topics, watched: Mapping[str, str]) -> dict[str, Any]:
    sensor = {
        "platform": "sensor",
        "name": "Label",
        "state_topic": topics.state,
        "value_template": f"{{{{ value_json.label or '{_NONE}' }}}}",
    }
    if watched:
        sensor |= {"device_class": "enum", "options": list(dict.fromkeys([*watched, _NONE]))}
    return sensor


def _components(topics: Topics) -> dict[str, dict[str, Any]]:
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
        "snapshot": {"platform": "image", "name": "Snapshot", "image_topic": topics.snapshot, "content_type": "image/jpeg"},
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
        "check": _button("Check for a newer model", topics.model_check, entity_category="config"),
        "rollback": _button("Back to the previous model", topics.model_rollback, entity_category="config"),
        "take_snapshot": _button("Take a snapshot", topics.snapshot_get),
        "restart": _button("Restart", topics.restart, entity_category="config", device_class="restart"),
        "inference_ms": _diagnostic(topics, "Inference time", "value_json.inference_ms.p50", "duration", "ms"),
        "cpu_temp": _diagnostic(topics, "CPU temperature", "value_json.cpu_temp_c", "temperature", "°C"),
        "started": _diagnostic(topics, "Started", "value_json.started", "timestamp", None),
    }


def _button(name: str, command_topic: str, **more: str) -> dict[str, Any]:
    return {"platform": "button", "name": name, "command_topic": command_topic, **more}


def _diagnostic(topics: Topics, name: str, value: str, device_class: str, unit: str | None) -> dict[str, Any]:
    sensor = {
        "platform": "sensor",
        "name": name,
        "state_topic": topics.stats,
        "value_template": f"{{{{ {value} }}}}",
        "device_class": device_class,
        "entity_category": "diagnostic",
    }
    return sensor | ({"unit_of_measurement": unit, "state_class": "measurement"} if unit else {})


class Timer(Protocol):
    """Something that was started and can be called off."""

    def cancel(self) -> None:
        """It will not happen any more."""


def start_timer(delay_s: float, act: Callable[[], None]) -> Timer:
    """Calls `act` once after `delay_s`, on a thread of its own that does not keep the program alive."""
    timer = threading.Timer(delay_s, act)
    timer.daemon = True
    timer.start()
    return timer


class Announcer:
    """Decides when the device is announced: soon after a change, again after Home Assistant started, never in a row."""

    def __init__(
        self,
        announce: Callable[[], None],
        start_timer: Callable[[float, Callable[[], None]], Timer] = start_timer,
        clock: Callable[[], float] = time.monotonic,
    ):
        """
        Args:
            announce: Makes the message from what is so by then and hands it to the publisher.
            start_timer: Starts a timer.
            clock: Monotonic seconds.
        """
        self._announce = announce
        self._start_timer = start_timer
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: Timer | None = None
        self._due_s = self._last_s = -_GAP_S
        self._stopped = False

    def changed(self) -> None:
        """What is announced has changed: announce it once it has settled."""
        self._schedule(_SETTLE_S)

    def homeassistant_started(self) -> None:
        """Home Assistant said `online`: announce again after a random delay."""
        self._schedule(random.uniform(*_AFTER_ONLINE_S))

    def stop(self) -> None:
        """Nothing is announced any more."""
        with self._lock:
            self._stopped = True
            if self._pending:
                self._pending.cancel()

    def _schedule(self, delay_s: float) -> None:
        with self._lock:
            now_s = self._clock()
            due_s = max(now_s + delay_s, self._last_s + _GAP_S)
            if self._stopped or (self._pending and self._due_s <= due_s):
                return  # what is pending comes first and will tell this change too
            if self._pending:
                self._pending.cancel()
            self._due_s = due_s
            self._pending = self._start_timer(due_s - now_s, self._fire)

    def _fire(self) -> None:
        with self._lock:
            if self._stopped:
                return
            self._pending, self._last_s = None, self._clock()
        self._announce()
