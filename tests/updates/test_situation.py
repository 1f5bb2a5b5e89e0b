"""Test what the device knows about an offer, read from store, journal and host."""

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import BundleError, LabelOptionError
from appliance.updates.journal import Journal, JournalEntry
from appliance.updates.known_candidate import KnownCandidate
from appliance.updates.policy import RunningModel, UpdatePolicy
from appliance.updates.situation import read_situation
from appliance.updates.sources.source import Offer
from appliance.updates.steps import UpdateState
from support import made_models
from support.bundles import bundle_folder
from support.rig import Rig

OFFER = Offer("second", version="2.0")
UNSUITED = KnownCandidate("second", "2.0", "colours", "it lacks violet")


@pytest.fixture
def device(tmp_path):
    """Make a device that runs `colours 1.0` but whose updater does not run."""
    return Rig(tmp_path / "device", None, installed=bundle_folder(tmp_path / "v1", version="1.0"))


@pytest.fixture
def read(device):
    def read(offer=OFFER, requested=None, known=None, on_probation=False):
        policy = UpdatePolicy(max_bytes=1000)
        journal = Journal(device.state)
        return read_situation(offer, requested, known, on_probation, policy, device.store, journal, device)

    return read


def stage(device, folder):
    bundle = read_bundle(bundle_folder(folder / "v2", version="2.0", model=made_models.good(2)))
    device.store.add(bundle, "a test", offer="second")


def refuse_settings():
    raise LabelOptionError("it still lacks violet")


def refuse_bundle():
    raise BundleError("it is damaged")


def test_running_model_is_read_from_host_and_store(device, read):
    assert read().running == RunningModel("colours", "1.0", is_bundled=False)
    assert read().current == device.store.read_state().current
    device.store.rollback("the owner asks")
    device.reload_current(lambda: None)
    assert read().running == RunningModel("shipped", "1.0", is_bundled=True)
    assert read(None).current is None


def test_rejection_of_the_offer_is_read(device, read):
    device.store.reject("other", "1.5", "it is slow")
    assert read().rejection is None
    device.store.reject("second", "2.0", "it crashed")
    assert read().rejection.reason == "it crashed"


@pytest.mark.parametrize(
    ("hash", "requested", "resumed"), [("second", True, True), ("second", False, False), ("x", True, False)]
)
def test_interrupted_request_is_resumed(device, read, hash, requested, resumed):
    Journal(device.state).write(JournalEntry(UpdateState.DOWNLOADING, hash, requested=requested))
    assert read().resumed is resumed


def test_unsuited_candidate_is_preloaded_again(device, read, tmp_path):
    stage(device, tmp_path)
    device.warming = refuse_settings
    assert read(known=UNSUITED).known.unsuited_reason == "it still lacks violet"
    device.warming = lambda: None
    assert read(known=UNSUITED).known.unsuited_reason is None


def test_other_error_of_a_candidate_lets_it_be_tried_again(device, read, tmp_path):
    stage(device, tmp_path)
    device.warming = refuse_bundle
    assert read(known=UNSUITED).known.unsuited_reason is None


def test_candidate_that_is_not_staged_is_tried_again(read):
    assert read(known=UNSUITED).known.unsuited_reason is None


@pytest.mark.parametrize(
    "values", [{"requested": "latest"}, {"on_probation": True}, {"offer": Offer("third")}, {"offer": None}]
)
def test_candidate_is_not_preloaded_without_need(device, read, tmp_path, values):
    stage(device, tmp_path)
    device.warming = lambda: pytest.fail("it was preloaded")
    assert read(**{"known": UNSUITED, **values}).known == UNSUITED


def test_candidate_that_is_too_old_is_not_preloaded(device, read, tmp_path):
    """The owner may have gone back to a newer model since it was staged."""
    stage(device, tmp_path)
    device.warming = lambda: pytest.fail("it was preloaded")
    known = KnownCandidate("second", "0.9", "colours", "it lacks violet")
    assert read(Offer("second"), known=known).known == known
