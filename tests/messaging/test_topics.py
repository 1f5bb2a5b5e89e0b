"""Test the topic tree and the slugs of labels."""

import re

import pytest

from appliance.messaging.topics import Topics, make_slugs

T = Topics("appliance", "pi-1")


def test_the_topics_are_those_of_the_contract():
    topics = {
        "availability": T.availability,
        "labels": T.labels,
        "state": T.state,
        "label/cat": T.label("cat"),
        "event": T.event,
        "snapshot": T.snapshot,
        "stats": T.stats,
        "model": T.model,
        "update": T.update,
        "threshold": T.threshold,
        "running": T.running,
        "camera": T.camera,
        "snapshots": T.snapshots,
        "collect": T.collect,
        "today/cat": T.today("cat"),
        "last_seen/cat": T.last_seen("cat"),
        "picture/cat": T.picture("cat"),
    }
    assert topics == {name: f"appliance/pi-1/{name}" for name in topics}
    assert sorted(T.commands.values()) == sorted(
        f"appliance/pi-1/{name}"
        for name in [
            "threshold/set",
            "running/set",
            "snapshots/set",
            "collect/set",
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
    assert make_slugs([label]) == (slug,)


def test_slugs_that_collide_are_told_apart_by_the_index():
    assert make_slugs(["a b", "dog", "A-B"]) == ("a_b", "dog", "a_b_2")


def test_a_label_of_which_nothing_is_left_is_its_index():
    assert make_slugs(["猫", "", "cat", "🐈"]) == ("_0", "_1", "cat", "_3")


def test_slugs_that_collide_after_the_cut_still_fit():
    first, second = make_slugs(["x" * 60, "x" * 48 + "y"])
    assert (first, second) == ("x" * 48, "x" * 46 + "_1")


def test_a_slug_made_for_a_collision_does_not_collide_itself():
    labels = ["a_2", "a", "A", "a_2_2", "a_2", "_6", "", "x" * 48, "x" * 49, "x" * 46 + "_8", *["猫"] * 40]
    made = make_slugs(labels)
    assert len(set(made)) == len(labels)
    assert all(re.fullmatch(r"[a-z0-9_]{1,48}", slug) for slug in made)


def test_later_label_does_not_change_the_slugs_before_it():
    labels = ["cat", "Cat", "CAT", "dog"]
    assert make_slugs([*labels, "cAt"])[:4] == make_slugs(labels)
