"""Test the words of the update states, with which users' automations compare."""

import json

from appliance.updates.steps import UpdateState, UpdateStatus, UpdateStep

PUBLISHED = [
    "available", "downloading", "verifying", "probing", "swapped", "probation", "committed", "rolled_back", "refused",
    "failed", "waiting",
]  # fmt: skip


def test_states_are_the_words_of_the_manual():
    assert [str(state) for state in UpdateState] == [*PUBLISHED, "warming", "swapping"]
    assert json.dumps(UpdateState.ROLLED_BACK) == '"rolled_back"'


def test_state_is_found_by_its_word():
    assert all(UpdateState(word) == word for word in PUBLISHED)


def test_step_needs_no_reason():
    assert UpdateStep(UpdateState.SWAPPED, None, None).reason is None


def test_status_without_facts_offers_nothing():
    assert UpdateStatus() == UpdateStatus(latest_version=None, in_progress=False, percentage=None)
