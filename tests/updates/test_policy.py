"""The decision about an offer: every branch of `decide`, and when versions rule an offer out."""

from dataclasses import replace

import pytest

from appliance.updates.known_candidate import KnownCandidate
from appliance.updates.policy import LATEST, Decision, RunningModel, Situation, UpdatePolicy, Verdict, decide
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
    "nothing": (None, SITUATION, POLICY, Verdict.NOTHING, "offers nothing"),
    "nothing, requested": (None, know(requested=LATEST), POLICY, Verdict.NOTHING, "offers nothing"),
    "runs": (Offer("first", version="1.0"), SITUATION, POLICY, Verdict.RUNS, None),
    "runs, requested": (Offer("first"), know(requested="7.0"), POLICY, Verdict.RUNS, None),
    "runs on probation": (Offer("first"), know(on_probation=True), POLICY, Verdict.RUNS, None),
    # Versions
    "newer": (NEW, SITUATION, POLICY, Verdict.TAKE, None),
    "older": (OLD, SITUATION, POLICY, Verdict.SKIP, "0.9 is older than the running 1.0"),
    "older, requested": (OLD, know(requested=LATEST), POLICY, Verdict.DENY, "0.9 is not taken: .*allow_downgrade"),
    "older, allowed": (OLD, SITUATION, UpdatePolicy(1000, allow_downgrade=True), Verdict.TAKE, None),
    "older, pinned": (replace(OLD, pinned=True), SITUATION, POLICY, Verdict.TAKE, None),
    "version unknown": (UNKNOWN, SITUATION, POLICY, Verdict.TAKE, None),
    "known from its bundle": (UNKNOWN, know(known=KNOWN_OLD), POLICY, Verdict.SKIP, "0.9 is older"),
    "known of another offer": (NEW, know(known=KNOWN_OLD), POLICY, Verdict.TAKE, None),
    # Requests
    "requested by version": (NEW, know(requested="2.0"), ASK, Verdict.TAKE, None),
    "requested latest": (NEW, know(requested=LATEST), ASK, Verdict.TAKE, None),
    "requested another": (NEW, know(requested="3.0"), POLICY, Verdict.DENY, "offers 2.0, not 3.0"),
    "requested without a version": (UNKNOWN, know(requested="sha256:bbbbbbbbbbbb"), POLICY, Verdict.TAKE, None),
    # Probation
    "on probation": (NEW, know(on_probation=True), POLICY, Verdict.WAIT, "2.0 waits until the probation ends"),
    "on probation, older": (OLD, know(on_probation=True), POLICY, Verdict.SKIP, "older"),
    "on probation, requested": (NEW, know(on_probation=True, requested="2.0"), POLICY, Verdict.DENY, "on probation"),
    "on probation, resumed": (NEW, know(on_probation=True, resumed=True), POLICY, Verdict.WAIT, "waits"),
    # Rejections and settings
    "rejected": (NEW, know(rejection=REJECTION), POLICY, Verdict.SKIP, "2.0 was refused: it crashed"),
    "rejected, ask": (NEW, know(rejection=REJECTION), ASK, Verdict.SKIP, "was refused"),
    "rejected, requested": (NEW, know(rejection=REJECTION, requested=LATEST), POLICY, Verdict.TAKE, None),
    "rejected, resumed": (NEW, know(rejection=REJECTION, resumed=True), POLICY, Verdict.TAKE, None),
    "unsuited": (NEW, know(known=UNSUITED), POLICY, Verdict.SKIP, "does not suit .*: it lacks violet"),
    "unsuited, ask": (NEW, know(known=UNSUITED), ASK, Verdict.SKIP, "violet"),
    "unsuited, requested": (NEW, know(known=UNSUITED, requested=LATEST), POLICY, Verdict.TAKE, None),
    "suited by now": (NEW, know(known=replace(UNSUITED, unsuited_reason=None)), POLICY, Verdict.TAKE, None),
    # The owner decides
    "ask": (NEW, SITUATION, ASK, Verdict.ANNOUNCE, None),
    "ask, resumed": (NEW, know(resumed=True), ASK, Verdict.TAKE, None),
}


@pytest.mark.parametrize("case", CASES)
def test_decision(case):
    import re

    offer, situation, policy, verdict, reason = CASES[case]
    decision = decide(offer, situation, policy)
    assert decision.verdict is verdict
    assert decision.reason is None if reason is None else re.search(reason, decision.reason)
    assert decision.requested is (verdict is Verdict.TAKE and bool(situation.requested or situation.resumed))
    assert not decision.relink


@pytest.mark.parametrize(
    ("variant", "experiment", "relink"),
    [(None, None, True), ("b", "lights", False), ("a", "lights", True), ("b", None, True)],
)
def test_other_branch_of_running_model_is_relinked(variant, experiment, relink):
    current = replace(CURRENT, variant="b", experiment="lights")
    offer = Offer("first", variant=variant, experiment=experiment)
    assert decide(offer, know(current=current), POLICY) == Decision(Verdict.RUNS, relink=relink)


def test_every_verdict_occurs_in_the_table():
    assert {case[3] for case in CASES.values()} == set(Verdict)


def test_only_refusals_of_the_offer_end_an_update():
    ending = {verdict for verdict in Verdict if Decision(verdict).ends_update}
    assert ending == {Verdict.RUNS, Verdict.NOTHING, Verdict.SKIP, Verdict.WAIT}


@pytest.mark.parametrize(
    ("version", "name", "running", "conflict"),
    [
        ("2.0", "colours", RUNNING, None),
        ("1.0", "colours", RUNNING, "runs already"),
        ("1.0", "others", RUNNING, "runs already"),
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
    assert "runs already" in find_conflict(NEW, "1.0", "colours", RUNNING, policy)
    assert find_conflict(NEW, "0.9", "colours", RUNNING, policy) is None
