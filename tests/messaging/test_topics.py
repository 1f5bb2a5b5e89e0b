"""The names on the broker, and what stands in every payload."""

import json
import re

import pytest

from appliance.bundle.identity import ModelIdentity
from appliance.messaging import payloads as said
from appliance.messaging.topics import Topics, slugs
from support.messaging import FLOWERS, NOON, ended, seen, started

T = Topics("appliance", "pi-1")


def test_the_topics_are_those_of_the_contract():
    assert [
        T.availability, T.labels, T.state, T.label("cat"), T.event, T.snapshot, T.stats, T.model, T.update, T.threshold,
        T.running,
    ] == [
        f"appliance/pi-1/{name}"
        for name in ["availability", "labels", "state", "label/cat", "event", "snapshot", "stats", "model", "update", "threshold", "running"]
    ]  # fmt: skip
    assert sorted(T.commands.values()) == sorted(
        f"appliance/pi-1/{name}"
        for name in [
            "threshold/set",
            "running/set",
            "model/check",
            "model/rollback",
            "model/install",
            "snapshot/get",
            "restart",
        ]
    )
    assert T.responses == "appliance/pi-1/response/"
    assert T.discovery == "homeassistant/device/pi-1/config"
    assert Topics("house/cams", "x", "ha").state == "house/cams/x/state"
    assert Topics("house/cams", "x", "ha").homeassistant_status == "ha/status"


@pytest.mark.parametrize(
    ("label", "slug"),
    [
        ("cat", "cat"),
        ("Crème brûlée", "creme_brulee"),
        ("tabby, tabby cat", "tabby_tabby_cat"),
        ("ﬁne ½", "fine_1_2"),
        ("a/b+c#d", "a_b_c_d"),
        ("İstanbul", "istanbul"),
        ("x" * 60, "x" * 48),
    ],
)
def test_a_label_becomes_a_slug(label, slug):
    assert slugs([label]) == (slug,)


def test_slugs_that_collide_are_told_apart_by_the_index():
    assert slugs(["a b", "dog", "A-B"]) == ("a_b", "dog", "a_b_2")


def test_a_label_of_which_nothing_is_left_is_its_index():
    assert slugs(["猫", "", "cat", "🐈"]) == ("_0", "_1", "cat", "_3")


def test_slugs_that_collide_after_the_cut_still_fit():
    first, second = slugs(["x" * 60, "x" * 48 + "y"])
    assert (first, second) == ("x" * 48, "x" * 46 + "_1")


def test_a_slug_made_for_a_collision_does_not_collide_itself():
    labels = ["a_2", "a", "A", "a_2_2", "a_2", "_6", "", "x" * 48, "x" * 49, "x" * 46 + "_8", *["猫"] * 40]
    made = slugs(labels)
    assert len(set(made)) == len(labels)
    assert all(re.fullmatch(r"[a-z0-9_]{1,48}", slug) for slug in made)


def test_a_label_that_comes_later_does_not_change_the_slugs_before_it():
    labels = ["cat", "Cat", "CAT", "dog"]
    assert slugs([*labels, "cAt"])[:4] == slugs(labels)


def test_times_are_utc_with_milliseconds_and_read_back():
    assert said.rfc3339(NOON + 0.0625) == "2026-01-01T12:00:00.062Z"
    assert said.rfc3339(NOON) == "2026-01-01T12:00:00.000Z"
    assert said.unix("2026-01-01T12:00:00.062Z") == NOON + 0.062


def test_labels_of_a_frame():
    assert said.labels_payload(NOON, 7, FLOWERS, seen("rose"), 12.3456) == {
        "time": "2026-01-01T12:00:00.000Z",
        "frame": 7,
        "model": {"name": "flowers", "version": "1.0.0"},
        "labels": [{"label": "rose", "score": 0.9}],
        "inference_ms": 12.35,
    }


def test_state_with_and_without_a_label():
    state = said.state_payload(NOON, FLOWERS, seen("rose", "tulip"))
    assert (state["label"], state["score"]) == ("rose", 0.9)
    assert [entry["label"] for entry in state["labels"]] == ["rose", "tulip"]
    nothing = said.state_payload(NOON, FLOWERS, [])
    assert (nothing["label"], nothing["score"], nothing["labels"]) == (None, None, [])
    assert set(nothing) == {"label", "score", "labels", "time", "model"}


def test_a_start_and_its_end_as_the_contract_has_them():
    model = ModelIdentity("flowers", "1.1", "cd" * 32, "b", "x7")
    start = said.event_payload(started("rose"), model, "pi-1", "boot-9", 4)
    assert start == {
        "id": "id-1",
        "type": "started",
        "label": "rose",
        "score": 0.9,
        "peak_score": 0.9,
        "started": "2026-01-01T12:00:00.000Z",
        "ended": None,
        "model": {"name": "flowers", "version": "1.1", "variant": "b", "experiment": "x7"},
        "device": "pi-1",
        "boot": "boot-9",
        "seq": 4,
    }
    end = said.event_payload(ended("rose", reason="stop"), model, "pi-1", "boot-9", 5)
    assert (end["id"], end["ended"], end["peak_score"], end["reason"]) == (
        "id-1",
        "2026-01-01T12:00:05.000Z",
        0.95,
        "stop",
    )
    assert "reason" not in said.event_payload(ended("rose"), model, "pi-1", "boot-9", 5)


def test_the_end_that_a_restart_says():
    start = said.event_payload(started("rose"), FLOWERS, "pi-1", "boot-1", 4)
    end = said.restart_payload(start, NOON + 30.5, 0.97, "boot-2", 1)
    assert end == start | {
        "type": "ended", "ended": "2026-01-01T12:00:30.500Z", "peak_score": 0.97, "reason": "restart", "boot": "boot-2", "seq": 1,
    }  # fmt: skip
    blind = said.restart_payload(start, None, None, "boot-2", 1)
    assert (blind["ended"], blind["peak_score"]) == (start["started"], 0.9)
    assert said.restart_payload(start, NOON - 99, None, "boot-2", 1)["ended"] == start["started"]


def test_update_and_stats_payloads():
    assert list(said.model_payload("1.0", "1.1", "flowers", True, 40)) == [
        "installed_version", "latest_version", "title", "in_progress", "update_percentage",
    ]  # fmt: skip
    assert said.model_payload("1.0", None, "flowers")["latest_version"] == "1.0"
    assert said.update_payload("refused", "1.1", "ab", "not newer") == {
        "state": "refused", "version": "1.1", "sha256": "ab", "reason": "not newer",
    }  # fmt: skip
    stats = said.stats_payload(
        fps=4.987, dropped=3, inference_p50_ms=11.111, inference_p95_ms=None, outbox_waiting=2, outbox_dropped=0, cpu_temp_c=None,
        rss_mb=80.04, uptime_s=61.26, started=NOON, runtime="LiteRT 2.3.0", camera_state="streaming", camera_restarts=1,
    )  # fmt: skip
    assert stats == {
        "fps": 4.99,
        "dropped": 3,
        "inference_ms": {"p50": 11.11, "p95": None},
        "outbox": {"waiting": 2, "dropped": 0},
        "cpu_temp_c": None,
        "rss_mb": 80.0,
        "uptime_s": 61.3,
        "started": "2026-01-01T12:00:00.000Z",
        "runtime": "LiteRT 2.3.0",
        "camera": {"state": "streaming", "restarts": 1},
    }


def test_payloads_are_json_in_utf8():
    wire = said.encode({"label": "Crème", "score": 0.5})
    assert wire == '{"label":"Crème","score":0.5}'.encode()
    assert json.loads(wire) == {"label": "Crème", "score": 0.5}
    with pytest.raises(ValueError, match="JSON"):
        said.encode({"score": float("nan")})
