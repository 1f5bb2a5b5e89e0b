"""Which model labels, as settings and orders change."""

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
    """A bundle that works, of another name than the one that ships."""
    bundle = read_bundle(BUNDLED)
    write_bundle(replace(bundle, identity=replace(bundle.identity, name="other")), tmp_path / "other")
    return tmp_path / "other"


@pytest.fixture
def models(tmp_path):
    (tmp_path / "state").mkdir()
    return ActiveModel(tmp_path / "state", LabelerSettings(), View())


def suits(_: Labeler) -> None:
    pass


def suits_not(model: Labeler) -> None:
    raise LabelOptionError(f"{model.identity.name} has no such label")


def test_settings_that_do_not_suit_the_model_change_nothing(models, other):
    with pytest.raises(LabelOptionError, match="other has no such label"):
        models.use_settings(LabelerSettings(model=str(other)), View(), suits_not)
    assert not models.named
    assert models.load().identity.name == "flowers"
    assert models.use_settings(LabelerSettings(model=str(other)), View(), suits).identity.name == "other"
    assert models.named


def test_what_is_gone_back_to_is_loaded_before_anything_changes(models, other):
    models.store.install(read_bundle(other), "a test")
    assert models.load_previous().identity.name == "flowers"  # to be held against the settings (test_junction.py)
    assert models.load().identity.name == "other"
    models.roll_back("its owner went back")
    assert models.load().identity.name == "flowers"


def test_there_is_nothing_to_go_back_to(models):
    with pytest.raises(StoreError, match="there is no model to go back to"):
        models.roll_back("its owner went back")


def test_starts_that_end_badly_with_a_model_of_the_settings_do_not_count_against_the_delivered_one(
    tmp_path, models, other
):
    delivered = models.store.install(read_bundle(other), "a test", probation=True)
    models.end()
    for _ in range(3):  # each dies before it is ready
        ActiveModel(tmp_path / "state", LabelerSettings(model=str(BUNDLED)), View())
    state = models.store.state()
    assert (state.current, state.probation, state.refused) == (delivered, True, ())
    assert ActiveModel(tmp_path / "state", LabelerSettings(), View()).current.identity.name == "other"
