"""How teaching is connected to the daemon: installation on probation, and the models that ship with the program."""

import shutil

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import StoreError
from support.broker import wait_until
from support.bundles import bundle_folder
from support.paths import FLOWERS
from support.web import WebDevice


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    pytest.importorskip("fastapi")
    with WebDevice(tmp_path_factory.mktemp("web")) as running:
        yield running


def test_trained_model_is_installed_on_probation_without_an_update_source(device, tmp_path):
    teaching = device.service._teaching
    model = bundle_folder(tmp_path / "made")
    answer = teaching._install(model, "the trained model")
    assert answer["sha256"] == read_bundle(model).identity.sha256
    parts = device.service.parts
    wait_until(lambda: parts.updater.probation_left_s is not None, "the probation")
    state = parts.active.store.read_state()
    assert state.probation and state.current.origin == "trained on this device"


def test_model_that_cannot_be_used_changes_nothing(device, tmp_path):
    shutil.copytree(FLOWERS, tmp_path / "broken")
    model = next((tmp_path / "broken").glob("*.tflite"))
    model.write_bytes(model.read_bytes()[:1000])
    before = device.service.parts.active.store.read_state().current
    with pytest.raises(Exception, match="the trained model") as caught:
        device.service._teaching._install(tmp_path / "broken", "the trained model")
    assert str(tmp_path) not in str(caught.value)
    assert device.service.parts.active.store.read_state().current == before


def test_blocked_installation_is_refused(device, tmp_path):
    teaching = device.service._teaching
    before, teaching.find_blocked_reason = teaching.find_blocked_reason, lambda: "models come signed"
    try:
        with pytest.raises(StoreError, match="models come signed"):
            teaching._install(tmp_path, "the trained model")
    finally:
        teaching.find_blocked_reason = before
