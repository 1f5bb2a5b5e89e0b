"""Test the announcement to Home Assistant against what its MQTT integration requires, as found by testing."""

import json

import pytest

from appliance.messaging.home_assistant.discovery import (
    DeviceDescription,
    WatchedLabels,
    build_discovery,
)
from appliance.messaging.topics import Topics, make_slugs
from appliance.system.board import Board

T = Topics("appliance", "pi-1")
FEW = ["cat", "dog"]
BOARD = Board("Raspberry Pi", "Raspberry Pi 5 Model B Rev 1.0", "10000000abcdef12")


def build(labels=FEW, removed=None, detailed=True, **device):
    watched = WatchedLabels(dict(zip(labels, make_slugs(labels), strict=True)), detailed)
    return build_discovery(T, DeviceDescription("Camera pi-1", **device), watched, removed or {})


def announced(labels=FEW, removed=None, **more):
    return json.loads(build(labels, removed, **more).payload)


def test_message_has_what_home_assistant_requires():
    message = announced()
    assert message["origin"]["name"]
    assert message["device"]["identifiers"] == ["appliance_pi-1"]
    assert message["device"]["name"] == "Camera pi-1"
    assert "~" not in message and "qos" not in message
    entities = [each for each in message["components"].values() if each["platform"] != "device_automation"]
    ids = [component["unique_id"] for component in entities]
    assert len(set(ids)) == len(ids)


def test_device_page_shows_the_board_and_addresses():
    message = announced(board=BOARD, page_url="http://pi-1.local:8080", support_url="https://example.org")
    device = message["device"]
    assert (device["manufacturer"], device["model"], device["serial_number"]) == (
        "Raspberry Pi",
        "Raspberry Pi 5 Model B Rev 1.0",
        "10000000abcdef12",
    )
    assert device["configuration_url"] == "http://pi-1.local:8080"
    assert message["origin"]["support_url"] == "https://example.org"
    assert "serial_number" not in announced()["device"] and "support_url" not in announced()["origin"]


def test_label_entities_require_frames_and_others_do_not():
    message = announced()
    both = [{"topic": T.availability}, {"topic": T.camera}]
    assert (message["availability"], message["availability_mode"]) == (both, "all")
    components = message["components"]
    inherit = {key for key, each in components.items() if "availability" not in each}
    assert {"top_label", "score", "label_cat", "label_dog"} <= inherit
    for key in ("camera", "running", "threshold", "model", "update_state", "restart", "event", "snapshot", "uptime"):
        assert components[key]["availability"] == [{"topic": T.availability}], key


def test_entities_of_the_device_have_their_platforms():
    platforms = {key: each["platform"] for key, each in announced([])["components"].items()}
    assert platforms == {
        **dict.fromkeys(("top_label", "score", "update_state"), "sensor"),
        **dict.fromkeys(("camera", "fps", "dropped", "inference_ms", "cpu_temp", "memory", "disk_free"), "sensor"),
        **dict.fromkeys(("ip_address", "uptime", "started"), "sensor"),
        **dict.fromkeys(("running", "snapshots", "collect"), "switch"),
        **dict.fromkeys(("check", "rollback", "restart", "take_snapshot", "threshold_reset"), "button"),
        "event": "event",
        "snapshot": "image",
        "picture": "camera",
        "threshold": "number",
        "model": "update",
    }


def test_optional_entities_of_a_label_are_disabled():
    components = announced()["components"]
    assert components["started_cat"]["payload"] == "startedcat"
    assert components["picture_cat"]["image_topic"] == T.picture("cat")
    for prefix in ("seen", "count", "picture"):
        assert components[f"{prefix}_dog"]["enabled_by_default"] is False
    assert not [key for key in announced(detailed=False)["components"] if key.endswith("_cat") and key != "label_cat"]


def test_every_command_topic_is_one_that_the_device_listens_to():
    components = announced()["components"].values()
    asked = {component["command_topic"] for component in components if "command_topic" in component}
    assert asked == set(T.commands.values())


def test_few_labels_are_an_enum_with_a_sensor_each():
    components = announced(["cat", "Tête d'or"])["components"]
    assert components["top_label"]["device_class"] == "enum"
    assert components["top_label"]["options"] == ["cat", "Tête d'or", "none"]
    sensor = components["label_tete_d_or"]
    assert (sensor["name"], sensor["device_class"], sensor["state_topic"]) == (
        "Tête d'or",
        "occupancy",
        T.label("tete_d_or"),
    )


def test_label_without_topic_is_plain_text():
    components = announced([])["components"]
    assert "options" not in components["top_label"] and "device_class" not in components["top_label"]
    assert not [key for key in components if key.startswith("label_")]


def test_removed_components_have_their_platform_alone():
    components = announced(removed={"label_bird": "binary_sensor", "label_cat": "binary_sensor"})["components"]
    assert components["label_bird"] == {"platform": "binary_sensor"}
    assert components["label_cat"]["state_topic"] == T.label("cat")


@pytest.mark.parametrize(
    ("labels", "complete"),
    [
        ([f"label {number}" for number in range(15)], True),
        ([f"label {number}" for number in range(32)], True),
        ([f"a label of ordinary length {number}" for number in range(32)], True),
        ([f"{'猫' * 250}{number}" for number in range(32)], False),
        ([f"label {number}" for number in range(500)], False),
    ],
)
def test_message_has_at_most_32_kb(labels, complete):
    former = {f"label_former_{number}": "binary_sensor" for number in range(32)}
    discovery = build(labels, former, detailed=len(labels) <= 32, board=BOARD)
    assert len(discovery.payload) <= 32_000
    sensors = [key for key in discovery.components if key.startswith("label_") and "former" not in key]
    assert len(sensors) == len(labels) - discovery.omitted
    assert (discovery.omitted == 0) or not complete
    assert set(former) <= set(discovery.components)


def test_former_labels_do_not_displace_those_of_the_model():
    removed, before = {}, []
    for number in range(10):
        labels = [f"model {number} label number {index} with a name" for index in range(32)]
        discovery = build(labels, removed)
        assert discovery.omitted == 0 and len(discovery.payload) <= 32_000
        message = json.loads(discovery.payload)["components"]
        assert {f"label_{slug}" for slug in make_slugs(before)} <= message.keys()  # the last ones are removed
        removed, before = discovery.components, labels


def test_large_message_is_abbreviated():
    message = announced([f"a label of ordinary length {number}" for number in range(32)])
    sensor = message["components"]["label_a_label_of_ordinary_length_7"]
    assert (sensor["p"], sensor["stat_t"]) == ("binary_sensor", T.label("a_label_of_ordinary_length_7"))
    assert message["components"]["camera"]["avty"] == [{"t": T.availability}]
