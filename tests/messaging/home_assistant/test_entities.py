"""Test the device's entities; tests/end_to_end renders their templates in Home Assistant."""

from appliance.camera.source import CameraState
from appliance.messaging.device_payloads import UPDATE_IDLE, UPDATE_STATES
from appliance.messaging.home_assistant.entities import build_device_entities
from appliance.messaging.topics import Topics
from support.messaging import STATS

T = Topics("appliance", "pi-1")
ENTITIES = build_device_entities(T, ["cat"])


def test_enums_list_every_state():
    assert ENTITIES["camera"]["options"] == list(CameraState)
    assert ENTITIES["update_state"]["options"] == [UPDATE_IDLE, *UPDATE_STATES]


def test_diagnostics_read_keys_of_the_statistics():
    stats = STATS.as_dict() | {"disk_free_mb": 1, "ip_address": "::1"}
    for key, entity in ENTITIES.items():
        if entity.get("state_topic") == T.stats:
            path = entity["value_template"].removeprefix("{{ value_json").removesuffix("') }}").strip(".")
            parents, name = path.split("get('")
            place = stats
            for parent in filter(None, parents.split(".")):
                place = place[parent]
            assert name in place, key


def test_event_has_everything_an_automation_needs():
    template = ENTITIES["event"]["value_template"]
    for key in ("label", "score", "peak_score", "started", "ended", "duration", "model", "id", "snapshot"):
        assert f"'{key}'" in template
