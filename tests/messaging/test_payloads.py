"""Test the payloads of results: keys, their order, and decoding."""

import json
import random
from dataclasses import replace

import pytest

from appliance.bundle.identity import ModelIdentity
from appliance.labeling.tracker import EventProgress
from appliance.messaging.payloads import (
    LATE_AFTER_S,
    Availability,
    EventPayload,
    LabelsPayload,
    StatePayload,
    SwitchState,
    encode,
    format_number,
    mark_late,
)
from support.messaging import FLOWERS, NOON, ended, seen, started


def decode(wire):
    return json.loads(wire)


def test_labels_of_a_frame():
    payload = LabelsPayload.from_result(NOON, 7, FLOWERS, seen("rose"), 12.3456)
    assert encode(payload.as_dict()) == (
        b'{"time":"2026-01-01T12:00:00.000Z","frame":7,"model":{"name":"flowers","version":"1.0.0"},'
        b'"labels":[{"label":"rose","score":0.9}],"inference_ms":12.35}'
    )
    assert LabelsPayload.from_dict(payload.as_dict()).as_dict() == payload.as_dict()


def test_state_with_and_without_a_label():
    payload = StatePayload.from_result(NOON, FLOWERS, seen("rose", "tulip"))
    assert encode(payload.as_dict()) == (
        b'{"label":"rose","score":0.9,"labels":[{"label":"rose","score":0.9},{"label":"tulip","score":0.8}],'
        b'"time":"2026-01-01T12:00:00.000Z","model":{"name":"flowers","version":"1.0.0"}}'
    )
    assert StatePayload.from_dict(payload.as_dict()).as_dict() == payload.as_dict()
    nothing = StatePayload.from_result(NOON, FLOWERS, []).as_dict()
    assert (nothing["label"], nothing["score"], nothing["labels"]) == (None, None, [])
    assert list(nothing) == ["label", "score", "labels", "time", "model"]


def test_state_without_frames_is_not_known():
    unknown = StatePayload.from_result(NOON, FLOWERS, [], known=False).as_dict()
    assert list(unknown) == ["label", "score", "labels", "time", "model", "known"]
    assert unknown["known"] is False
    assert StatePayload.from_dict(unknown).as_dict() == unknown


def test_start_and_end_of_an_event():
    model = ModelIdentity("flowers", "1.1", "cd" * 32, "b", "x7")
    start = EventPayload.from_event(started("rose"), model, "pi-1", "boot-9", 4).as_dict()
    assert encode(start) == (
        b'{"id":"id-1","type":"started","label":"rose","score":0.9,"peak_score":0.9,'
        b'"started":"2026-01-01T12:00:00.000Z","ended":null,'
        b'"model":{"name":"flowers","version":"1.1","variant":"b","experiment":"x7"},'
        b'"device":"pi-1","boot":"boot-9","seq":4}'
    )
    end = EventPayload.from_event(ended("rose", reason="stop"), model, "pi-1", "boot-9", 5).as_dict()
    assert (end["id"], end["ended"], end["peak_score"]) == ("id-1", "2026-01-01T12:00:05.000Z", 0.95)
    assert end["reason"] == "stop"
    assert list(end).index("reason") == list(end).index("ended") + 1
    assert "reason" not in EventPayload.from_event(ended("rose"), model, "pi-1", "boot-9", 5).as_dict()


def test_end_by_restart_has_every_key_in_its_order():
    start = EventPayload.from_event(started("rose"), FLOWERS, "pi-1", "boot-1", 4)
    end = start.end_at_restart(NOON + 30.5, EventProgress(0.97, 29.75, True), "boot-2", 1)
    assert encode(end.as_dict()) == (
        b'{"id":"id-1","type":"ended","label":"rose","score":0.9,"peak_score":0.97,'
        b'"started":"2026-01-01T12:00:00.000Z","ended":"2026-01-01T12:00:30.500Z","reason":"restart",'
        b'"duration_s":29.75,"clock_step":true,'
        b'"model":{"name":"flowers","version":"1.0.0","variant":null,"experiment":null},'
        b'"device":"pi-1","boot":"boot-2","seq":1}'
    )


def test_end_by_restart_without_a_known_time_is_the_start():
    start = EventPayload.from_event(started("rose"), FLOWERS, "pi-1", "boot-1", 4)
    end = start.end_at_restart(None, None, "boot-2", 1).as_dict()
    assert (end["ended"], end["peak_score"]) == (end["started"], 0.9)
    early = start.end_at_restart(NOON - 99, None, "boot-2", 1).as_dict()
    assert early["ended"] == early["started"]


def test_event_survives_the_way_back_unchanged():
    numbers = random.Random(4)
    for _ in range(2000):
        start_s = NOON + numbers.uniform(-1e9, 1e9)
        event = ended("rose", at_s=start_s - NOON, until_s=start_s - NOON + 5, peak=numbers.random(), reason="camera")
        wire = encode(EventPayload.from_event(event, FLOWERS, "pi-1", "boot", 1).as_dict())
        assert encode(EventPayload.from_dict(decode(wire)).as_dict()) == wire
    late = mark_late(decode(wire), LATE_AFTER_S + 1)
    assert EventPayload.from_dict(late).late
    assert EventPayload.from_dict(late).as_dict() == late


def test_optional_keys_of_an_event_survive_the_way_back():
    event = EventPayload.from_event(ended("rose"), FLOWERS, "pi-1", "boot", 1)
    assert not {"duration_s", "clock_step", "snapshot", "former_device"} & set(event.as_dict())
    full = replace(event, duration_s=1.23456, clock_step=True, snapshot=False, former_device="pi-0").as_dict()
    assert (full["duration_s"], full["clock_step"], full["snapshot"], full["former_device"]) == (
        1.235,
        True,
        False,
        "pi-0",
    )
    assert EventPayload.from_dict(full).as_dict() == full


def test_late_is_added_only_after_its_limit():
    assert mark_late({"seq": 1}, LATE_AFTER_S) == {"seq": 1}
    assert mark_late({"seq": 1}, LATE_AFTER_S + 0.1) == {"seq": 1, "late": True}


def test_payloads_are_json_in_utf8():
    wire = encode({"label": "Crème", "score": 0.5})
    assert wire == '{"label":"Crème","score":0.5}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        encode({"score": float("nan")})


def test_single_values():
    assert format_number(0.1 + 0.2) == "0.3"
    assert [*SwitchState, *Availability] == ["ON", "OFF", "online", "offline"]
