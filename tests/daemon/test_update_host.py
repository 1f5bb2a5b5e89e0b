"""Test how the updater swaps models in the running pipeline, and what is then in the store."""

from dataclasses import replace

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.camera.scene.camera import draw_scene
from appliance.errors import LabelOptionError, StoreError
from appliance.imaging.view import View
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import EventSettings, LabelerSettings
from appliance.updates.steps import UpdateState, UpdateStatus, UpdateStep
from support.labeling_device import LABELS
from support.paths import FLOWERS


def test_rollback_activates_the_previous_model(make_device):
    device = make_device()
    device.host.rollback("it is too slow")
    assert (device.labeling, device.stored) == ("one", "one")


def test_rollback_takes_the_bundled_model_if_previous_does_not_fit(make_device):
    device = make_device(one=("something else", *LABELS[1:]))
    device.allow(LABELS[0])
    device.host.rollback("it is too slow")
    assert (device.labeling, device.stored) == ("flowers", "flowers")
    assert device.active.store.read_state().rejections[0].reason == "it is too slow"


def test_rollback_changes_nothing_if_no_model_fits(make_device):
    device = make_device(two=("only here", *LABELS[1:]))
    device.allow("only here")
    for _ in range(2):
        with pytest.raises(LabelOptionError, match="only here"):
            device.host.rollback("it is too slow")
        assert (device.labeling, device.stored) == ("two", "two")
        assert device.active.store.read_state().probation
    device.allow()
    device.host.rollback("it is too slow")
    assert (device.labeling, device.stored) == ("one", "one")


def test_swap_of_a_model_that_does_not_fit_changes_nothing(make_device):
    """The settings were reloaded between preload and swap."""
    device = make_device()
    device.allow(LABELS[0])
    bundle = read_bundle(FLOWERS)
    preloaded = device.active.load_candidate(replace(bundle, labels=("something else", *LABELS[1:])))
    changed = []
    with pytest.raises(LabelOptionError):
        device.host.swap(preloaded, lambda: changed.append(True))
    assert not changed
    assert device.labeling == "two"


def test_swap_loads_again_if_settings_changed_since_preload(make_device):
    """Settings that select the empty half of the picture were reloaded between preload and swap."""
    device = make_device()
    bundle = read_bundle(FLOWERS)
    preloaded = device.host.preload(replace(bundle, identity=replace(bundle.identity, name="three")))
    right = View(region=(0.5, 0.0, 0.5, 1.0))
    device.switch.apply_settings(LabelerSettings(), EventSettings(), right, reload_model=True)
    device.host.swap(preloaded, lambda: None)
    scene = draw_scene("roses", np.random.default_rng(1), (320, 240))
    picture = np.hstack([scene, np.zeros_like(scene)])
    expected = Labeler(bundle, view=right).score(picture)
    assert device.labeling == "three"
    assert not np.allclose(expected, preloaded.score(picture), atol=0.1)
    assert np.allclose(device.active.current.score(picture), expected)


def test_swap_is_refused_while_the_settings_name_the_model(make_device):
    device = make_device()
    preloaded = device.host.preload(read_bundle(FLOWERS))
    device.switch.apply_settings(LabelerSettings(model=str(FLOWERS)), EventSettings(), View(), reload_model=True)
    assert "labeler.model" in device.host.delivery_blocked_reason()
    with pytest.raises(StoreError, match=r"labeler\.model"):
        device.host.swap(preloaded, lambda: None)


def test_status_is_published_once_per_change(make_device):
    device = make_device()
    published = len(device.reports.models)
    for _ in range(2):
        device.host.report_status(lambda _: UpdateStatus("3.0", in_progress=True, percentage=40))
    assert len(device.reports.models) == published + 1
    payload = device.reports.models[-1]
    assert (payload.title, payload.latest_version, payload.update_percentage) == ("two", "3.0", 40)


def test_step_is_published_and_logged(make_device, caplog):
    caplog.set_level("INFO")
    device = make_device()
    device.host.report_step(UpdateStep(UpdateState.FAILED, "3.0", "ab" * 32, "no network"))
    assert (device.reports.updates[-1].state, device.reports.updates[-1].reason) == ("failed", "no network")
    assert "update: failed 3.0 (no network)" in caplog.text
    assert device.reports.models[-1].release_summary == "failed: no network"
