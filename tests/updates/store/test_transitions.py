"""Test the transitions of the store's state, without a disk."""

from dataclasses import replace

import pytest

from appliance.updates.store import transitions
from appliance.updates.store.state import InstalledModel, Start, StoreState


def make_model(version, offer=None):
    return InstalledModel(f"key-{version}", "colours", version, "a" * 64, "a test", "2026-01-01T00:00:00.000Z", offer)


ONE, TWO, THREE = make_model("1.0"), make_model("2.0", "offer-2"), make_model("3.0")
TRIAL = StoreState(current=TWO, previous=ONE, probation=True)


def versions(state):
    models = (state.current, state.previous, state.before_previous, state.staged)
    return tuple(model and model.version for model in models)


# activate


def test_activate_makes_the_current_model_the_previous_one():
    state = transitions.activate(StoreState(current=ONE), TWO, probation=False)
    assert versions(state) == ("2.0", "1.0", None, None) and not state.probation


def test_activate_on_probation_keeps_before_previous():
    state = transitions.activate(StoreState(current=TWO, previous=ONE), THREE, probation=True)
    assert versions(state) == ("3.0", "2.0", "1.0", None) and state.probation


def test_activate_skips_a_model_that_is_still_on_probation():
    assert versions(transitions.activate(TRIAL, THREE, probation=True)) == ("3.0", "1.0", None, None)


def test_activate_the_current_model_again_keeps_the_previous_one():
    state = transitions.activate(StoreState(current=TWO, previous=ONE), TWO, probation=False)
    assert versions(state) == ("2.0", "1.0", None, None)


def test_activate_previous_during_probation_goes_further_back():
    state = replace(TRIAL, current=THREE, previous=TWO, before_previous=ONE)
    assert versions(transitions.activate(state, TWO, probation=False)) == ("2.0", "1.0", None, None)


def test_activate_unstages_and_forgets_rejections_of_the_model():
    state = transitions.reject(StoreState(staged=TWO), (TWO.offer, TWO.key, "other"), "2.0", "it crashed")
    state = transitions.activate(state, TWO, probation=True)
    assert state.staged is None and [each.hash for each in state.rejections] == ["other"]


def test_activate_keeps_another_staged_model():
    assert transitions.activate(StoreState(staged=THREE), TWO, probation=True).staged == THREE


# rollback


def test_rollback_activates_the_previous_model_and_rejects():
    state = transitions.rollback(replace(TRIAL, before_previous=THREE), "it is too slow", None)
    assert versions(state) == ("1.0", "3.0", None, None) and not state.probation
    assert {each.hash for each in state.rejections} == {TWO.key, TWO.offer}
    assert {each.reason for each in state.rejections} == {"it is too slow"}


def test_rollback_without_reason_rejects_nothing():
    assert transitions.rollback(TRIAL, None, None).rejections == ()


def test_rollback_to_bundled_keeps_the_previous_model():
    state = transitions.rollback(TRIAL, "it is too slow", None, to_bundled=True)
    assert versions(state) == (None, "1.0", None, None) and state.rejections


def test_rollback_from_bundled_marks_it_as_overridden():
    state = transitions.rollback(StoreState(previous=ONE), "the owner asks", "bundled-key")
    assert state.current == replace(ONE, bundled_override_key="bundled-key") and state.rejections == ()


# reject


def test_reject_replaces_an_older_rejection_of_the_same_hash():
    state = transitions.reject(StoreState(), ("a", None, "b"), "1.0", "first")
    state = transitions.reject(state, ("a",), "1.0", "second")
    assert [(each.hash, each.reason) for each in state.rejections] == [("b", "first"), ("a", "second")]


def test_reject_keeps_the_newest_fifty():
    state = StoreState()
    for index in range(60):
        state = transitions.reject(state, (str(index),), "1.0", "it crashed")
    assert [each.hash for each in state.rejections] == [str(index) for index in range(10, 60)]


# Starts


def test_first_start_is_recorded():
    assert transitions.on_start(TRIAL, "boot-1", None) == (replace(TRIAL, start=Start("boot-1")), None)


@pytest.mark.parametrize(
    ("probation", "ready", "boot", "failed_starts"),
    [
        (True, False, "boot-1", 1),
        (True, True, "boot-1", 1),
        (False, False, "boot-1", 1),
        (False, True, "boot-1", 0),
        (True, False, "boot-2", 0),
    ],
)
def test_start_after_a_crash_counts(probation, ready, boot, failed_starts):
    state = replace(TRIAL, probation=probation, start=Start("boot-1", ready))
    state, report = transitions.on_start(state, boot, None)
    assert (state.failed_starts, state.start, report) == (failed_starts, Start(boot), None)


def test_start_after_an_orderly_stop_does_not_count():
    state = transitions.on_stop(replace(TRIAL, start=Start("boot-1"), failed_starts=1))
    assert (state.start, state.failed_starts) == (None, 0)
    assert transitions.on_start(state, "boot-1", None)[0].failed_starts == 0


def test_second_failed_start_rolls_back():
    state = replace(TRIAL, start=Start("boot-1"), failed_starts=1)
    state, report = transitions.on_start(state, "boot-1", None)
    assert versions(state) == ("1.0", None, None, None) and state.failed_starts == 0
    assert "2 starts in a row" in report and "colours 2.0" in report and "colours 1.0 is used again" in report
    assert {each.hash for each in state.rejections} == {TWO.key, TWO.offer}


def test_failed_start_of_the_bundled_model_does_not_count():
    assert transitions.on_start(StoreState(start=Start("boot-1")), "boot-1", None)[0].failed_starts == 0


def test_mark_ready_clears_failed_starts_after_the_probation():
    state = replace(TRIAL, start=Start("boot-1"), failed_starts=1)
    assert transitions.mark_ready(state) == replace(state, start=Start("boot-1", ready=True))
    assert transitions.mark_ready(replace(state, probation=False)).failed_starts == 0


def test_commit_ends_probation():
    state = transitions.commit(replace(TRIAL, before_previous=THREE, failed_starts=1))
    assert state == StoreState(current=TWO, previous=ONE)


def test_display_name():
    assert transitions.display_name(TWO) == "the delivered colours 2.0"
    assert transitions.display_name(None) == "the bundled model"
