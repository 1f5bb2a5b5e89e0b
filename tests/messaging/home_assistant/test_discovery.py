"""Test the announcement to Home Assistant against what its MQTT integration requires, as found by testing."""

import json

from appliance.messaging.home_assistant.discovery import build_discovery
from appliance.messaging.topics import Topics, make_slugs

T = Topics("appliance", "pi-1")
FEW = ["cat", "dog"]


def announced(labels=FEW, gone=None):
    return build_discovery(T, "Camera pi-1", dict(zip(labels, make_slugs(labels), strict=True)), gone or {})


def test_message_has_what_home_assistant_requires():
    message = announced()
    assert message["origin"]["name"]
    assert message["device"]["identifiers"] == ["appliance_pi-1"]
    assert message["device"]["name"] == "Camera pi-1"
    assert message["availability_topic"] == T.availability
    assert "~" not in message and "qos" not in message
    ids = [component["unique_id"] for component in message["components"].values()]
    assert len(set(ids)) == len(ids)
    assert all(component["qos"] == 1 and component["platform"] for component in message["components"].values())


def test_every_entity_of_the_reference_is_there():
    components = announced()["components"]
    platforms = {key: component["platform"] for key, component in components.items()}
    assert platforms == {
        "top_label": "sensor",
        "score": "sensor",
        "label_cat": "binary_sensor",
        "label_dog": "binary_sensor",
        "event": "event",
        "snapshot": "image",
        "threshold": "number",
        "running": "switch",
        "check": "button",
        "rollback": "button",
        "restart": "button",
        "take_snapshot": "button",
        "model": "update",
        "inference_ms": "sensor",
        "cpu_temp": "sensor",
        "started": "sensor",
    }
    assert components["event"]["event_types"] == ["started", "ended"]
    assert components["snapshot"] | {"image_topic": T.snapshot, "content_type": "image/jpeg"} == components["snapshot"]
    number = components["threshold"]
    assert (number["min"], number["max"], number["step"], number["mode"]) == (0.05, 0.99, 0.01, "slider")
    update = components["model"]
    assert (update["state_topic"], update["command_topic"], update["payload_install"]) == (
        T.model,
        T.model_install,
        "latest",
    )


def test_every_command_topic_is_one_that_the_device_listens_to():
    components = announced()["components"].values()
    asked = {component["command_topic"] for component in components if "command_topic" in component}
    assert asked == set(T.commands.values())


def test_a_few_labels_are_an_enum_with_a_sensor_each():
    components = announced(["cat", "Tête d'or"])["components"]
    assert components["top_label"]["device_class"] == "enum"
    assert components["top_label"]["options"] == ["cat", "Tête d'or", "none"]
    sensor = components["label_tete_d_or"]
    assert (sensor["name"], sensor["device_class"], sensor["state_topic"]) == (
        "Tête d'or",
        "occupancy",
        T.label("tete_d_or"),
    )


def test_a_label_called_none_is_no_second_option():
    assert announced(["none", "cat"])["components"]["top_label"]["options"] == ["none", "cat"]


def test_without_watched_labels_the_top_label_is_plain_text():
    components = announced([])["components"]
    assert "options" not in components["top_label"] and "device_class" not in components["top_label"]
    assert not [key for key in components if key.startswith("label_")]


def test_components_that_are_gone_hold_their_platform_alone():
    components = announced(gone={"label_bird": "binary_sensor", "label_cat": "binary_sensor"})["components"]
    assert components["label_bird"] == {"platform": "binary_sensor"}
    assert components["label_cat"]["state_topic"] == T.label("cat")


def test_the_message_is_small_enough_for_any_broker():
    labels = [f"a label of ordinary length {number}" for number in range(32)]
    assert len(json.dumps(announced(labels))) < 20_000
