"""Test which state of Home Assistant stands for a label; tests/end_to_end runs the template in Home Assistant."""

import pytest

from appliance.messaging.home_assistant.label_states import (
    build_label_template,
    format_label_state,
    list_label_states,
)

LABELS = [
    "cat", "unknown", "Unavailable", "none", "None", "NONE", " cat ", " ", "", "x" * 255, "x" * 256, "猫" * 300,
    'a "quoted" {{ label }} %} \\ é', "1e5", "null", "true",
]  # fmt: skip


@pytest.mark.parametrize("label", LABELS)
def test_state_is_never_reserved_or_too_long(label):
    state = format_label_state(label)
    assert state.lower() not in ("", "none", "unknown", "unavailable")
    assert 0 < len(state) <= 255 and state == state.strip()


def test_states_of_labels_are_options_once():
    assert list_label_states(["cat", "none", "cat ", "Unknown"]) == ["cat", "none (label)", "Unknown (label)", "none"]


def test_template_lists_the_options():
    assert '["cat", "none"]' in build_label_template(["cat", "none"])
    assert "cat" not in build_label_template()


def test_long_list_of_options_is_not_repeated():
    assert len(build_label_template(["x" * 255] * 32)) < 1000
