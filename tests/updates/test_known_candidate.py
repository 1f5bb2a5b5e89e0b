"""Test that a staged candidate is preloaded again to find out whether it fits the settings now."""

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import BundleError, LabelOptionError, RuntimeMissingError
from appliance.updates.known_candidate import KnownCandidate, find_unsuited_reason
from support import made_models
from support.bundles import bundle_folder
from support.rig import Rig

UNSUITED = KnownCandidate("second", "2.0", "colours", "it lacks violet")


@pytest.fixture
def device(tmp_path):
    """Make a device that runs `colours 1.0` and has 2.0 staged, but whose updater does not run."""
    device = Rig(tmp_path / "device", None, installed=bundle_folder(tmp_path / "v1", version="1.0"))
    bundle = read_bundle(bundle_folder(tmp_path / "v2", version="2.0", model=made_models.good(2)))
    device.store.add(bundle, "a test", offer="second")
    return device


def fail_with(error):
    def fail():
        raise error

    return fail


def test_candidate_is_unsuited_for_the_present_reason(device):
    device.warming = fail_with(LabelOptionError("it lacks indigo"))
    assert find_unsuited_reason(UNSUITED, device.store, device) == "it lacks indigo"


def test_candidate_that_suits_by_now_has_no_reason(device):
    assert find_unsuited_reason(UNSUITED, device.store, device) is None


def test_staged_bundle_is_what_is_preloaded(device):
    versions = []
    preload = device.preload
    device.preload = lambda bundle: versions.append(bundle.identity.version) or preload(bundle)
    find_unsuited_reason(UNSUITED, device.store, device)
    assert versions == ["2.0"]


@pytest.mark.parametrize("error", [BundleError("it is damaged"), RuntimeMissingError("no runtime works")])
def test_other_errors_leave_it_to_the_next_attempt(device, error):
    device.warming = fail_with(error)
    assert find_unsuited_reason(UNSUITED, device.store, device) is None


def test_damaged_staged_bundle_is_left_to_the_next_attempt(device):
    (device.store.path(device.store.read_state().staged) / "model.tflite").unlink()
    assert find_unsuited_reason(UNSUITED, device.store, device) is None


@pytest.mark.parametrize(
    "known", [KnownCandidate("third", "2.0", "colours", "it lacks violet"), KnownCandidate("second", "0.9", "colours")]
)
def test_other_candidates_are_not_preloaded(device, known):
    device.warming = lambda: pytest.fail("it was preloaded")
    assert find_unsuited_reason(known, device.store, device) is None


def test_nothing_is_preloaded_if_nothing_is_staged(device):
    device.store.discard_staged()
    device.warming = lambda: pytest.fail("it was preloaded")
    assert find_unsuited_reason(UNSUITED, device.store, device) is None


def test_asking_changes_nothing_in_the_store(device):
    before = device.store.read_state()
    for warming in (fail_with(LabelOptionError("it lacks violet")), lambda: None):
        device.warming = warming
        find_unsuited_reason(UNSUITED, device.store, device)
    assert device.store.read_state() == before
    assert device.steps == device.statuses == []
