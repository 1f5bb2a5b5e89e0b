"""Test how T/model describes the running model and an offer."""

from dataclasses import replace

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.daemon.active_model import OWNER_ROLLBACK
from appliance.daemon.model_status import describe_model
from appliance.messaging.device_payloads import UPDATE_IDLE, UPDATE_STATES
from appliance.updates.steps import PASSED_OVER, UpdateState, UpdateStatus, UpdateStep
from support.paths import FLOWERS

BUNDLE = read_bundle(FLOWERS)


def make_bundle(version, labels=BUNDLE.labels):
    text = version or f"sha256:{BUNDLE.identity.sha256[:12]}"
    return replace(BUNDLE, labels=labels, identity=replace(BUNDLE.identity, version=text))


def describe(status, version="1.0", labels=BUNDLE.labels, has_source=True):
    return describe_model(make_bundle(version, labels), status, has_source=has_source).as_dict()


def test_every_state_is_one_that_home_assistant_knows():
    published = {*UpdateState, PASSED_OVER} - {UpdateState.WARMING, UpdateState.SWAPPING}
    assert set(map(str, published)) <= set(UPDATE_STATES)
    assert UPDATE_IDLE not in UPDATE_STATES


def test_nothing_happened_states_the_input_of_the_model():
    payload = describe(UpdateStatus())
    assert (payload["installed_version"], payload["latest_version"]) == ("1.0", "1.0")
    assert payload["release_summary"] == "input 0..255 (from the model's quantization)"
    assert payload["release_summary"].split(":")[0] not in UPDATE_STATES


@pytest.mark.parametrize("state", [UpdateState.REFUSED, UpdateState.ROLLED_BACK, UpdateState.FAILED])
def test_failed_update_stays_visible_with_its_reason(state):
    payload = describe(UpdateStatus("2.0", True).follow(UpdateStep(state, "2.0", "ab", "it crashes\x1b[31m\nat once")))
    assert (payload["latest_version"], payload["in_progress"]) == ("2.0", False)
    assert payload["release_summary"] == f"{state}: it crashes at once"


@pytest.mark.parametrize(
    ("running", "offered", "shown"),
    [
        ("2.0", "1.0", "1.0 (older)"),
        ("1.0", "1.0", "1.0 (other files)"),
        ("1.0", "1.0.0", "1.0.0 (other files)"),
        ("1.0", "1.0.post1", "1.0.post1 (newer)"),  # equal to 1.0 for Home Assistant
        ("2.0", "1!1.0", "1!1.0 (newer)"),
        ("1.0", "1.10", "1.10"),
        ("1.0", "2.0rc1", "2.0rc1"),
        ("1.0", "sha256:0123456789ab", "sha256:0123456789ab"),
    ],
)
def test_offered_version_differs_and_counts_as_an_update(running, offered, shown):
    assert describe(UpdateStatus(offered), running)["latest_version"] == shown


def test_same_model_file_with_other_labels_has_another_version():
    first, second = describe(UpdateStatus(), None), describe(UpdateStatus(), None, BUNDLE.labels[::-1])
    assert first["installed_version"] != second["installed_version"]
    assert first["installed_version"].startswith(f"sha256:{BUNDLE.identity.sha256[:12]}")
    offered = describe(UpdateStatus(make_bundle(None).identity.version), None)
    assert offered["latest_version"] != offered["installed_version"]


def test_probation_is_in_progress_until_its_outcome():
    status = UpdateStatus()
    for state in (UpdateState.DOWNLOADING, UpdateState.SWAPPED, UpdateState.PROBATION):
        status = status.follow(UpdateStep(state, "1.0", "ab"))
        assert describe(status)["in_progress"], state
    assert describe(status)["latest_version"] == "1.0"
    status = status.follow(UpdateStep(UpdateState.COMMITTED, "1.0", "ab"))
    assert describe(status) | {"in_progress": False} == describe(status)
    assert describe(status)["release_summary"] == "committed: input 0..255 (from the model's quantization)"


def test_long_reason_is_bounded():
    assert len(describe(UpdateStatus("2.0", state="failed", reason="x" * 1000))["release_summary"]) == 255


def test_nothing_is_offered_without_a_source():
    status = UpdateStatus().follow(UpdateStep(UpdateState.ROLLED_BACK, "2.0", "ab", "by the owner"))
    payload = describe(status, has_source=False)
    assert payload["latest_version"] == payload["installed_version"]
    assert payload["release_summary"] == "rolled_back: by the owner"


def test_rollback_by_the_owner_without_a_source_restores_the_first_value():
    first = describe(UpdateStatus(), has_source=False)
    status = UpdateStatus().follow(UpdateStep(UpdateState.ROLLED_BACK, "2.0", "ab", OWNER_ROLLBACK))
    assert describe(status, has_source=False) == first
    assert describe(status, has_source=True)["release_summary"].startswith("rolled_back: ")
