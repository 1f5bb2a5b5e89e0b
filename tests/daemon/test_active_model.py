"""Test which model is active as the settings and the store change."""

import json
import os
from dataclasses import replace

import pytest

from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.daemon.active_model import ActiveModel, open_store
from appliance.errors import LabelOptionError, StoreError
from appliance.imaging.view import View
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import LabelerSettings
from appliance.system.shipped import find_shipped
from support.paths import FLOWERS


@pytest.fixture
def other(tmp_path):
    """Make a working bundle whose name differs from the bundled model's."""
    bundle = read_bundle(FLOWERS)
    write_bundle(replace(bundle, identity=replace(bundle.identity, name="other")), tmp_path / "other")
    return tmp_path / "other"


@pytest.fixture
def active(tmp_path):
    (tmp_path / "state").mkdir()
    return ActiveModel(tmp_path / "state", LabelerSettings(), View())


def accept(_: Labeler) -> None:
    pass


def reject(model: Labeler) -> None:
    raise LabelOptionError(f"{model.identity.name} has no such label")


def test_settings_that_do_not_suit_the_model_change_nothing(active, other):
    with pytest.raises(LabelOptionError, match="other has no such label"):
        active.apply_settings(LabelerSettings(model=str(other)), View(), reject)
    assert not active.is_overridden
    assert active.load().identity.name == "general"
    assert active.apply_settings(LabelerSettings(model=str(other)), View(), accept).identity.name == "other"
    assert active.is_overridden


def test_previous_model_is_loaded_before_the_store_changes(active, other):
    active.store.install(read_bundle(other), "a test")
    assert active.load_previous().identity.name == "general"  # so that it can be checked with the settings
    assert active.load().identity.name == "other"
    active.roll_back("the owner went back")
    assert active.load().identity.name == "general"


def test_rollback_without_a_previous_model_fails(active):
    with pytest.raises(StoreError, match="there is no model to go back to"):
        active.roll_back("the owner went back")


def test_failed_starts_count_only_against_a_loaded_model(tmp_path, active, other):
    delivered = active.store.install(read_bundle(other), "a test", probation=True)
    active.mark_stopped()
    for _ in range(3):  # each process ends before it is ready
        ActiveModel(tmp_path / "state", LabelerSettings(model=str(FLOWERS)), View())
    state = active.store.read_state()
    assert (state.current, state.probation, state.rejections) == (delivered, True, ())
    assert ActiveModel(tmp_path / "state", LabelerSettings(), View()).current.identity.name == "other"


class Starts:
    """Starts of the daemon with one state folder; each ends without an orderly stop."""

    def __init__(self, state, other):
        self.state = state
        state.mkdir(exist_ok=True)
        self.store = ActiveModel(state, LabelerSettings(), View()).store
        self.store.install(read_bundle(other), "a test")

    def start(self):
        active = ActiveModel(self.state, LabelerSettings(), View())
        active.mark_ready()
        return active


def test_committed_model_that_hangs_twice_is_rolled_back(tmp_path, other):
    starts = Starts(tmp_path / "state", other)
    for _ in range(2):
        active = starts.start()
        assert active.current.identity.name == "other" and active.reverted is None
        active.record_hang("the labeling thread is stuck in labeling a frame")
    active = starts.start()
    assert active.current.identity.name == "general"
    assert active.reverted.model.name == "other" and "does not respond" in active.reverted.reason
    assert starts.store.rejection(active.reverted.model.key).reason == active.reverted.reason
    assert starts.start().reverted is None


def test_kills_from_outside_do_not_roll_back_a_committed_model(tmp_path, other):
    starts = Starts(tmp_path / "state", other)
    for _ in range(5):
        assert starts.start().current.identity.name == "other"


def test_hangs_of_the_bundled_model_change_nothing(tmp_path):
    (tmp_path / "state").mkdir()
    for _ in range(3):
        active = ActiveModel(tmp_path / "state", LabelerSettings(), View())
        active.record_hang("x")
    assert (active.current.identity.name, active.reverted) == ("general", None)


def start(state, camera="auto", model=""):
    """Start a daemon with a state folder; return the name of the model that labels."""
    state.mkdir(exist_ok=True)
    active = ActiveModel(state, LabelerSettings(model=model), View(), camera)
    active.mark_ready()
    active.mark_stopped()
    return active.current.identity.name


def make_old(state):
    """Make a state folder that a release with one bundled model has used."""
    start(state)
    file = state / "models" / "state.json"
    values = json.loads(file.read_text())
    for added in ("bundled", "draws"):
        del values[added]
    file.write_text(json.dumps(values))
    return state


def test_new_installation_labels_with_the_general_labeler(tmp_path):
    assert [start(tmp_path / "state") for _ in range(3)] == ["general"] * 3
    assert json.loads((tmp_path / "state/models/state.json").read_text())["bundled"] == "general"


def test_state_folder_of_an_earlier_release_keeps_flowers(tmp_path, other):
    state = make_old(tmp_path / "state")
    assert [start(state) for _ in range(3)] == ["flowers"] * 3
    store = open_store(state)
    assert store.load_current().bundle.identity.name == "flowers"
    store.install(read_bundle(other), "a test")
    assert start(state) == "other"
    store.rollback("the owner went back")
    assert start(state) == "flowers"
    store.install(read_bundle(find_shipped("general")), "bundled:general")
    assert start(state) == "general"


def test_damaged_state_of_an_earlier_release_keeps_flowers(tmp_path):
    state = make_old(tmp_path / "state")
    file = state / "models" / "state.json"
    file.write_bytes(file.read_bytes()[:40])
    assert [start(state) for _ in range(2)] == ["flowers"] * 2


def test_damaged_state_of_a_new_installation_keeps_general(tmp_path):
    start(tmp_path / "state")
    file = tmp_path / "state/models/state.json"
    file.write_bytes(file.read_bytes()[:40])
    assert [start(tmp_path / "state") for _ in range(2)] == ["general"] * 2


def test_broken_delivered_model_falls_back_to_the_bundled_one_of_its_name(tmp_path):
    for name, bundled in (("flowers", "flowers"), ("general", "general"), ("other", "general")):
        bundle = read_bundle(FLOWERS)
        write_bundle(replace(bundle, identity=replace(bundle.identity, name=name)), tmp_path / f"new-{name}")
        store = open_store(tmp_path / name)
        (tmp_path / name).mkdir()
        model = store.install(read_bundle(tmp_path / f"new-{name}"), "a test")
        (store.path(model) / "model.tflite").write_bytes(b"broken")
        assert [start(tmp_path / name) for _ in range(2)] == [bundled] * 2


def test_drawn_scenes_are_labeled_with_flowers(tmp_path):
    state = tmp_path / "state"
    assert [start(state, camera) for camera in ("scene", "auto", "scene")] == ["flowers", "general", "flowers"]
    # Commands that do not know the camera follow the last start.
    assert open_store(state).load_current().bundle.identity.name == "flowers"
    assert open_store(state).list()[0].name == "flowers"


def test_installed_model_labels_drawn_scenes_too(tmp_path, other):
    (tmp_path / "state").mkdir()
    open_store(tmp_path / "state").install(read_bundle(other), "a test")
    assert start(tmp_path / "state", "scene") == "other"


def test_reload_with_another_camera_uses_its_bundled_model(active):
    assert active.apply_settings(LabelerSettings(), View(), accept, "scene").identity.name == "flowers"
    with pytest.raises(LabelOptionError):
        active.apply_settings(LabelerSettings(), View(), reject, "auto")
    assert active.load().identity.name == "flowers"
    assert active.apply_settings(LabelerSettings(), View(), accept, "auto").identity.name == "general"
    assert active.store.read_state().draws is False


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("old", [True, False])
def test_read_only_state_folder_keeps_its_bundled_model(tmp_path, old):
    state = tmp_path / "state"
    make_old(state) if old else state.mkdir()
    for folder in (state / "models", state):
        if folder.exists():
            folder.chmod(0o555)
    assert [start(state) for _ in range(2)] == [("flowers" if old else "general")] * 2
    state.chmod(0o755)
