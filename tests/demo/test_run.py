"""Test the demo: its settings, and the lines that it prints."""

import re
import sys

import pytest

from appliance.demo.run import DEVICE, _format_event, _format_update, make_settings, run_demo
from appliance.settings.contradictions import find_contradiction

EVENT = {
    "id": "a", "type": "started", "label": "roses", "score": 0.91, "peak_score": 0.97,
    "started": "2026-05-04T10:20:30.123Z", "ended": None, "model": {"name": "flowers", "version": "0.2.0"},
}  # fmt: skip


def test_settings_use_nothing_but_this_machine():
    settings = make_settings(1883)
    assert (settings.camera.source, settings.device.id) == ("scene", DEVICE)
    assert (settings.mqtt.host, settings.mqtt.port) == ("127.0.0.1", 1883)
    assert settings.update.source == "none"
    assert find_contradiction(settings) is None


def test_event_has_time_label_score_and_model():
    line = _format_event(EVENT)
    assert line.split() == ["10:20:30", "started", "roses", "0.91", "model", "0.2.0"]


@pytest.mark.parametrize("reason", [None, "restart"])
def test_end_of_an_event_has_its_peak_and_reason(reason):
    ended = EVENT | {"type": "ended", "ended": "2026-05-04T10:20:35.000Z"} | ({"reason": reason} if reason else {})
    line = _format_event(ended)
    assert line.startswith("10:20:35")
    assert "0.97" in line
    assert line.endswith("(restart)") is bool(reason)


@pytest.mark.parametrize(
    ("step", "facts"),
    [
        ({"state": "probation", "version": "0.3.0", "reason": None}, ["probation", "0.3.0"]),
        ({"state": "failed", "version": None, "reason": "no network"}, ["failed", "(no network)"]),
    ],
)
def test_update_step_has_state_version_and_reason(step, facts):
    assert re.split(r"\s{2,}", _format_update(step).strip())[1:] == facts


def test_events_arrive_from_the_broker():
    pytest.importorskip("amqtt")
    interval = sys.getswitchinterval()
    lines = []
    try:
        events = run_demo(3, lambda line: lines.append(str(line)))
    finally:
        sys.setswitchinterval(interval)
    assert re.search(r"127\.0\.0\.1:\d+", lines[0])
    assert "mosquitto_sub" in lines[1]
    printed = [line for line in lines if re.match(r"\d\d:\d\d:\d\d +(started|ended)", line)]
    assert len(printed) == events > 0
    assert any("update" in line and "available" in line for line in lines)
