"""Test the decision about an offer: every branch of `decide`, and when versions rule an offer out."""

from dataclasses import replace

import pytest

from appliance.updates.known_candidate import KnownCandidate
from appliance.updates.policy import LATEST, Decision, OfferAction, RunningModel, Situation, UpdatePolicy, decide
from appliance.updates.policy import find_version_conflict as find_conflict
from appliance.updates.sources.source import Offer
from appliance.updates.store.state import InstalledModel, Rejection

RUNNING = RunningModel("colours", "1.0", is_bundled=False)
CURRENT = InstalledModel("k" * 64, "colours", "1.0", "a" * 64, "a test", "2026-01-01T00:00:00.000Z", offer="first")
SITUATION = Situation(RUNNING, CURRENT)
POLICY = UpdatePolicy(max_bytes=1000)
ASK = replace(POLICY, ask=True)
NEW = Offer("second", version="2.0")
OLD = Offer("zeroth", version="0.9")
UNKNOWN = Offer("unknown", sha256="b" * 64)
REJECTION = Rejection("second", "2.0", "it crashed", "2026-01-01T00:00:00.000Z")
KNOWN_OLD = KnownCandidate("unknown", "0.9", "colours")
UNSUITED = KnownCandidate("second", "2.0", "colours", unsuited_reason="it lacks violet")


def know(**values):
    return replace(SITUATION, **values)


CASES = {
    # Nothing to install
    "nothing": (None, SITUATION, POLICY, OfferAction.NOTHING, "offers nothing"),
    "nothing, requested": (None, know(requested=LATEST), POLICY, OfferAction.NOTHING, "offers nothing"),
    "runs": (Offer("first", version="1.0"), SITUATION, POLICY, OfferAction.RUNS, None),
    "runs, requested": (Offer("first"), know(requested="7.0"), POLICY, OfferAction.RUNS, None),
    "runs on probation": (Offer("first"), know(on_probation=True), POLICY, OfferAction.RUNS, None),
    # Versions
    "newer": (NEW, SITUATION, POLICY, OfferAction.TAKE, None),
    "older": (OLD, SITUATION, POLICY, OfferAction.SKIP, "0.9 is older than the running version 1.0"),
    "older, requested": (
        OLD,
        know(requested=LATEST),
        POLICY,
        OfferAction.DENY,
        "0.9 cannot be installed: .*allow_downgrade",
    ),
    "older, allowed": (OLD, SITUATION, UpdatePolicy(1000, allow_downgrade=True), OfferAction.TAKE, None),
    "older, pinned": (replace(OLD, pinned=True), SITUATION, POLICY, OfferAction.TAKE, None),
    "version unknown": (UNKNOWN, SITUATION, POLICY, OfferAction.TAKE, None),
    "known from its bundle": (UNKNOWN, know(known=KNOWN_OLD), POLICY, OfferAction.SKIP, "0.9 is older"),
    "known of another offer": (NEW, know(known=KNOWN_OLD), POLICY, OfferAction.TAKE, None),
    # Requests
    "requested by version": (NEW, know(requested="2.0"), ASK, OfferAction.TAKE, None),
    "requested latest": (NEW, know(requested=LATEST), ASK, OfferAction.TAKE, None),
    "requested another": (NEW, know(requested="3.0"), POLICY, OfferAction.DENY, "offers 2.0, not 3.0"),
    "requested without a version": (UNKNOWN, know(requested="sha256:bbbbbbbbbbbb"), POLICY, OfferAction.TAKE, None),
    # Probation
    "on probation": (NEW, know(on_probation=True), POLICY, OfferAction.WAIT, "2.0 waits until the probation ends"),
    "on probation, older": (OLD, know(on_probation=True), POLICY, OfferAction.SKIP, "older"),
    "on probation, requested": (
        NEW,
        know(on_probation=True, requested="2.0"),
        POLICY,
        OfferAction.DENY,
        "on probation",
    ),
    "on probation, resumed": (NEW, know(on_probation=True, resumed=True), POLICY, OfferAction.WAIT, "waits"),
    "on probation, perhaps the same": (
        replace(NEW, version=None, is_bound=False),
        know(on_probation=True),
        POLICY,
        OfferAction.TAKE,
        None,
    ),
    # The window
    "window closed": (NEW, know(window_obstacle="waits for update.window"), POLICY, OfferAction.HOLD, "2.0 waits"),
    "window closed, ask": (NEW, know(window_obstacle="waits for update.window"), ASK, OfferAction.ANNOUNCE, None),
    "window closed, rejected": (
        NEW,
        know(window_obstacle="waits", rejection=REJECTION),
        POLICY,
        OfferAction.SKIP,
        "was refused",
    ),
    # Rejections and settings
    "rejected": (NEW, know(rejection=REJECTION), POLICY, OfferAction.SKIP, "2.0 was refused: it crashed"),
    "rejected, ask": (NEW, know(rejection=REJECTION), ASK, OfferAction.SKIP, "was refused"),
    "rejected, requested": (NEW, know(rejection=REJECTION, requested=LATEST), POLICY, OfferAction.TAKE, None),
    "rejected, resumed": (NEW, know(rejection=REJECTION, resumed=True), POLICY, OfferAction.TAKE, None),
    "unsuited": (NEW, know(known=UNSUITED), POLICY, OfferAction.SKIP, "does not fit .*: it lacks violet"),
    "unsuited, ask": (NEW, know(known=UNSUITED), ASK, OfferAction.SKIP, "violet"),
    "unsuited, requested": (NEW, know(known=UNSUITED, requested=LATEST), POLICY, OfferAction.TAKE, None),
    "suited by now": (NEW, know(known=replace(UNSUITED, unsuited_reason=None)), POLICY, OfferAction.TAKE, None),
    # The owner decides
    "ask": (NEW, SITUATION, ASK, OfferAction.ANNOUNCE, None),
    "ask, resumed": (NEW, know(resumed=True), ASK, OfferAction.TAKE, None),
}


@pytest.mark.parametrize("case", CASES)
def test_decision(case):
    import re

    offer, situation, policy, action, reason = CASES[case]
    decision = decide(offer, situation, policy)
    assert decision.action is action
    assert decision.reason is None if reason is None else re.search(reason, decision.reason)
    assert decision.requested is (action is OfferAction.TAKE and bool(situation.requested or situation.resumed))
    assert not decision.relink


@pytest.mark.parametrize(
    ("variant", "experiment", "relink"),
    [(None, None, True), ("b", "lights", False), ("a", "lights", True), ("b", None, True)],
)
def test_other_branch_of_running_model_is_relinked(variant, experiment, relink):
    current = replace(CURRENT, variant="b", experiment="lights")
    offer = Offer("first", variant=variant, experiment=experiment)
    assert decide(offer, know(current=current), POLICY) == Decision(OfferAction.RUNS, relink=relink)


def test_every_action_occurs_in_the_table():
    assert {case[3] for case in CASES.values()} == set(OfferAction)


def test_only_refusals_of_the_offer_end_an_update():
    ending = {action for action in OfferAction if Decision(action).ends_update}
    assert ending == {OfferAction.RUNS, OfferAction.NOTHING, OfferAction.SKIP, OfferAction.WAIT}


@pytest.mark.parametrize(
    ("version", "name", "running", "conflict"),
    [
        ("2.0", "colours", RUNNING, None),
        ("1.0", "colours", RUNNING, "already running"),
        ("1.0", "others", RUNNING, "already running"),
        ("0.9", "others", RUNNING, "older"),
        (None, "colours", RUNNING, None),
        ("0.9", "colours", replace(RUNNING, version=None), None),
        ("0.9", "others", replace(RUNNING, is_bundled=True), None),
        ("0.9", None, replace(RUNNING, is_bundled=True), None),
        ("0.9", "colours", replace(RUNNING, is_bundled=True), "older"),
    ],
)
def test_version_conflict(version, name, running, conflict):
    reason = find_conflict(NEW, version, name, running, POLICY)
    assert reason is None if conflict is None else conflict in reason
    assert find_conflict(replace(NEW, pinned=True), version, name, running, POLICY) is None


def test_equal_version_conflicts_even_with_allow_downgrade():
    policy = replace(POLICY, allow_downgrade=True)
    assert "already running" in find_conflict(NEW, "1.0", "colours", RUNNING, policy)
    assert find_conflict(NEW, "0.9", "colours", RUNNING, policy) is None


@pytest.mark.parametrize(
    ("offered", "current", "expected"),
    [("1.0", None, True), ("1.0", CURRENT, False), ("0.9", None, False)],
)
def test_offer_of_the_running_version_may_be_the_running_bundle(offered, current, expected):
    """Unless a source delivered the running one under another hash."""
    decision = decide(Offer("other", version=offered), know(current=current), POLICY)
    assert (decision.action, decision.may_run) == (OfferAction.SKIP, expected)
