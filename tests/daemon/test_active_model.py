"""Test which model is active as the settings and the store change."""

from dataclasses import replace

import pytest

from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.daemon.active_model import BUNDLED, ActiveModel
from appliance.errors import LabelOptionError, StoreError
from appliance.imaging.view import View
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import LabelerSettings


@pytest.fixture
def other(tmp_path):
    """Make a working bundle whose name differs from the bundled model's."""
    bundle = read_bundle(BUNDLED)
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
    assert active.load().identity.name == "flowers"
    assert active.apply_settings(LabelerSettings(model=str(other)), View(), accept).identity.name == "other"
    assert active.is_overridden


def test_previous_model_is_loaded_before_the_store_changes(active, other):
    active.store.install(read_bundle(other), "a test")
    assert active.load_previous().identity.name == "flowers"  # so that it can be checked with the settings
    assert active.load().identity.name == "other"
    active.roll_back("the owner went back")
    assert active.load().identity.name == "flowers"


def test_rollback_without_a_previous_model_fails(active):
    with pytest.raises(StoreError, match="there is no model to go back to"):
        active.roll_back("the owner went back")


def test_failed_starts_count_only_against_a_loaded_model(tmp_path, active, other):
    delivered = active.store.install(read_bundle(other), "a test", probation=True)
    active.mark_stopped()
    for _ in range(3):  # each process ends before it is ready
        ActiveModel(tmp_path / "state", LabelerSettings(model=str(BUNDLED)), View())
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
    assert active.current.identity.name == "flowers"
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
    assert (active.current.identity.name, active.reverted) == ("flowers", None)
