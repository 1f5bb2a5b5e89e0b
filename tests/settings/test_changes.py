"""What a reload of the settings changes."""

from dataclasses import replace

import pytest

from appliance.settings.changes import compare_settings
from appliance.settings.schema import Settings

OLD = Settings()


def change(section, **values):
    return compare_settings(OLD, replace(OLD, **{section: replace(getattr(OLD, section), **values)}))


def test_same_settings_change_nothing():
    changes = compare_settings(OLD, Settings())
    assert (changes.live, changes.restart) == ((), ())
    assert not (changes.labels or changes.model or changes.camera or changes.log)


@pytest.mark.parametrize(
    ("section", "values", "flags"),
    [
        ("camera", {"fps": 2.0}, {"camera"}),
        ("camera", {"rotation": 90}, {"camera", "model", "labels"}),
        ("labeler", {"threshold": 0.7}, {"labels"}),
        ("labeler", {"threads": 2}, {"model", "labels"}),
        ("events", {"cooldown_s": 1.0}, {"labels"}),
        ("log", {"level": "debug"}, {"log"}),
    ],
)
def test_live_section_takes_effect_at_once(section, values, flags):
    changes = change(section, **values)
    assert changes.live == tuple(f"{section}.{key}" for key in values)
    assert changes.restart == ()
    assert {flag for flag in ("labels", "model", "camera", "log") if getattr(changes, flag)} == flags
    assert getattr(changes.settings, section) == replace(getattr(OLD, section), **values)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("mqtt", {"host": "other"}),
        ("device", {"id": "x"}),
        ("update", {"channel": "beta"}),
        ("collect", {"every_s": 1}),
    ],
)
def test_other_section_waits_for_a_restart(section, values):
    changes = change(section, **values)
    assert changes.restart == tuple(f"{section}.{key}" for key in values)
    assert changes.live == () and changes.settings == OLD


def test_view_waits_for_a_restart_while_frames_are_collected():
    old = replace(OLD, collect=replace(OLD.collect, enabled=True))
    new = replace(old, camera=replace(old.camera, hflip=True, fps=2.0))
    changes = compare_settings(old, new)
    assert (changes.live, changes.restart) == (("camera.fps",), ("camera.hflip",))
    assert changes.settings.camera == replace(old.camera, fps=2.0)
    assert not changes.model
