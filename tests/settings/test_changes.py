"""What a reload of the settings changes."""

from dataclasses import replace

import pytest

from appliance.settings.changes import compare_settings
from appliance.settings.schema import Settings

OLD = Settings()
FLAGS = ("labels", "model", "camera", "log", "collect", "mqtt", "update")


def change(section, **values):
    return compare_settings(OLD, replace(OLD, **{section: replace(getattr(OLD, section), **values)}))


def test_same_settings_change_nothing():
    changes = compare_settings(OLD, Settings())
    assert (changes.live, changes.restart) == ((), ())
    assert not any(getattr(changes, flag) for flag in FLAGS)


@pytest.mark.parametrize(
    ("section", "values", "flags"),
    [
        ("camera", {"fps": 2.0}, {"camera"}),
        ("camera", {"rotation": 90}, {"camera", "model", "labels", "collect"}),
        ("labeler", {"threshold": 0.7}, {"labels"}),
        ("labeler", {"threads": 2}, {"model", "labels"}),
        ("events", {"cooldown_s": 1.0}, {"labels"}),
        ("log", {"level": "debug"}, {"log"}),
        ("collect", {"every_s": 1, "max_bytes": 5_000_000, "enabled": True}, {"collect"}),
        ("mqtt", {"labels_per_s": 3.0, "snapshots": True}, {"mqtt"}),
        ("update", {"interval_s": 60.0}, {"update"}),
    ],
)
def test_live_section_takes_effect_at_once(section, values, flags):
    changes = change(section, **values)
    assert sorted(changes.live) == sorted(f"{section}.{key}" for key in values)
    assert changes.restart == ()
    assert {flag for flag in FLAGS if getattr(changes, flag)} == flags
    assert getattr(changes.settings, section) == replace(getattr(OLD, section), **values)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("mqtt", {"host": "other"}),
        ("device", {"id": "x"}),
        ("update", {"channel": "beta"}),
        ("mqtt", {"keepalive_s": 40, "base_topic": "x"}),
    ],
)
def test_other_section_waits_for_a_restart(section, values):
    changes = change(section, **values)
    assert changes.restart == tuple(f"{section}.{key}" for key in values)
    assert changes.live == () and changes.settings == OLD


def test_key_that_waits_does_not_delay_one_of_the_same_section():
    changes = change("mqtt", host="other", labels_per_s=5.0)
    assert (changes.live, changes.restart) == (("mqtt.labels_per_s",), ("mqtt.host",))
    assert changes.settings.mqtt == replace(OLD.mqtt, labels_per_s=5.0)


def test_view_changes_at_once_while_frames_are_collected():
    old = replace(OLD, collect=replace(OLD.collect, enabled=True))
    changes = compare_settings(old, replace(old, camera=replace(old.camera, hflip=True, fps=2.0)))
    assert (set(changes.live), changes.restart) == ({"camera.fps", "camera.hflip"}, ())
    assert changes.collect and changes.model
