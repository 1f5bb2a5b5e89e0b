"""The names of the bundles that ship: one place resolves them, so every command takes them."""

from pathlib import Path

import pytest

from appliance.bundle.bundle import read_bundle, read_unlabeled_model
from appliance.bundle.edit import write_thresholds
from appliance.errors import BundleError
from appliance.settings.path_access import list_paths
from appliance.settings.schema import LabelerSettings, Settings
from appliance.system.shipped import NAMES, resolve_shipped


@pytest.mark.parametrize("name", NAMES)
def test_name_is_read_as_a_bundle_and_as_a_base(name):
    path = Path(f"bundled:{name}")
    assert read_bundle(path).identity.name == name
    assert read_unlabeled_model(path)[0] == read_bundle(path).read_model()


@pytest.mark.parametrize("name", ["", "birds", "../bundled", "general/../flowers", "gen\x1b[2Jeral"])
def test_other_name_is_an_error_that_lists_them(name):
    with pytest.raises(BundleError, match="bundled:general and bundled:flowers do") as caught:
        read_bundle(Path(f"bundled:{name}"))
    assert "\x1b" not in str(caught.value)


def test_path_is_left_as_it_is():
    assert resolve_shipped(Path("/srv/model")) == Path("/srv/model")


def test_shipped_bundle_is_never_edited():
    with pytest.raises(BundleError, match=r"labeler\.threshold"):
        write_thresholds(Path("bundled:flowers"), 0.9, {})


def test_name_in_the_settings_is_no_path_that_a_unit_can_hide():
    settings = Settings(labeler=LabelerSettings(model="bundled:general"))
    assert "labeler.model" not in [key for key, _, _ in list_paths(settings)]
