"""Test the entities and triggers of a label."""

import pytest

from appliance.messaging.home_assistant.label_entities import (
    OPTIONAL_GROUPS,
    build_end_trigger,
    build_presence_sensor,
    build_start_trigger,
    list_label_components,
)
from appliance.messaging.topics import Topics

T = Topics("appliance", "pi-1")


def test_list_has_every_component_of_a_label():
    built = build_presence_sensor(T, "cat", "cat")
    for group in OPTIONAL_GROUPS:
        built |= group(T, "cat", "cat")
    assert list_label_components("cat") == {key: component["platform"] for key, component in built.items()}


@pytest.mark.parametrize(("label", "payload"), [("cat", "startedcat"), (" a b ", "started a b")])
def test_trigger_compares_kind_and_label(label, payload):
    """Home Assistant removes white space at the ends of what the template renders."""
    [trigger] = build_start_trigger(T, label, "slug").values()
    assert (trigger["payload"], trigger["subtype"], trigger["topic"]) == (payload, label, T.event)
    [trigger] = build_end_trigger(T, label, "slug").values()
    assert trigger["payload"] == payload.replace("started", "ended") and trigger["type"] == "ended"


@pytest.mark.parametrize("label", ["{{ 1 }}", "a {% raw %}", "{# x"])
def test_label_that_is_a_template_has_no_trigger(label):
    assert build_start_trigger(T, label, "slug") == {}


def test_long_label_has_a_short_name():
    [sensor] = build_presence_sensor(T, "x" * 300, "x").values()
    assert len(sensor["name"]) == 64
