"""Test what the updater reports, and that it reports each fact once."""

import pytest

from appliance.updates.journal import JournalEntry
from appliance.updates.policy import Decision, OfferAction
from appliance.updates.reporter import UpdateReporter
from appliance.updates.sources.source import Offer
from appliance.updates.steps import UpdateState, UpdateStatus, UpdateStep
from support.rig import Rig

OFFER = Offer("second", version="2.0", sha256="ab")
ENTRY = JournalEntry(UpdateState.DOWNLOADING, "second", "2.0", "ab")


@pytest.fixture
def host(tmp_path):
    rig = Rig(tmp_path, None)
    rig.on_probation = False
    return rig


@pytest.fixture
def reporter(host, caplog):
    caplog.set_level("INFO", "appliance.updates")
    return UpdateReporter(host, lambda: host.on_probation)


def test_skipped_offer_is_logged_once(reporter, host, caplog):
    for _ in range(2):
        reporter.report_decision(Decision(OfferAction.SKIP, "0.9 is older"), OFFER)
    assert caplog.text.count("no newer model: 0.9 is older") == 1
    assert reporter.passed_over == "0.9 is older" and host.steps == []
    assert reporter.latest is None  # it waits for nobody
    assert host.status == UpdateStatus("2.0", state="passed_over", reason="0.9 is older")


def test_running_offer_clears_what_was_passed_over(reporter, caplog):
    reporter.report_decision(Decision(OfferAction.SKIP, "0.9 is older"), OFFER)
    reporter.report_decision(Decision(OfferAction.RUNS), OFFER)
    reporter.report_decision(Decision(OfferAction.SKIP, "0.9 is older"), OFFER)
    assert caplog.text.count("no newer model") == 2


def test_announced_offer_is_available_once(reporter, host):
    for _ in range(2):
        reporter.report_decision(Decision(OfferAction.ANNOUNCE), OFFER)
    assert host.steps == [UpdateStep(UpdateState.AVAILABLE, "2.0", "ab")]
    assert reporter.latest == "2.0" and host.status == UpdateStatus("2.0", state="available")


def test_offer_to_install_is_available(reporter, host):
    reporter.report_decision(Decision(OfferAction.TAKE), OFFER)
    assert [step.state for step in host.steps] == ["available"]


def test_denied_request_is_only_visible_in_the_status(reporter, host, caplog):
    reporter.report_decision(Decision(OfferAction.ANNOUNCE), OFFER)
    steps = list(host.steps)
    reporter.report_decision(Decision(OfferAction.DENY, "the source offers 2.0, not 3.0"), OFFER)
    assert host.steps == steps and reporter.latest == "2.0" and caplog.text == ""
    assert host.status == UpdateStatus("2.0", state="passed_over", reason="the source offers 2.0, not 3.0")


def test_refused_version_stays_visible(reporter, host):
    reporter.report_decision(Decision(OfferAction.SKIP, "2.0 was refused: it crashes", is_rejected=True), OFFER)
    assert host.status == UpdateStatus("2.0", state="refused", reason="it crashes")


def test_offer_that_may_run_is_no_update(reporter, host):
    decision = Decision(OfferAction.SKIP, "version 2.0 is already running", may_run=True)
    reporter.report_decision(decision, OFFER)
    assert host.status == UpdateStatus()


def test_rolled_back_version_keeps_its_state_when_offered_again(reporter, host):
    host.report_step(UpdateStep(UpdateState.ROLLED_BACK, "2.0", "ab", "it is slow"))
    reporter.report_decision(Decision(OfferAction.SKIP, "2.0 was refused: it is slow", is_rejected=True), OFFER)
    assert host.status == UpdateStatus("2.0", state="rolled_back", reason="it is slow")


def test_probation_stays_in_progress_during_checks(reporter, host):
    host.report_step(UpdateStep(UpdateState.PROBATION, "2.0", "ab"))
    host.on_probation = True
    for action in (OfferAction.RUNS, OfferAction.NOTHING, OfferAction.WAIT):
        reporter.report_decision(Decision(action, "a reason"), OFFER)
    reporter.report_failure("no route", None, 15.0)
    assert host.status == UpdateStatus("2.0", True, state="probation")
    host.on_probation = False
    host.report_step(UpdateStep(UpdateState.COMMITTED, "2.0", "ab"))
    reporter.report_decision(Decision(OfferAction.RUNS), OFFER)
    assert host.status == UpdateStatus(None, state="committed")


def test_failure_is_reported_until_its_reason_changes(reporter, host, caplog):
    for reason in ("no route", "no route", "404"):
        reporter.report_failure(reason, None, 15.0)
    assert [step.reason for step in host.steps] == ["no route", "404"] and reporter.failure == "404"
    assert "no update: 404; trying again in 15 s" in caplog.text
    reporter.clear_failure()
    reporter.report_failure("404", None, None)
    assert host.steps[-1] == UpdateStep(UpdateState.FAILED, None, None, "404") and "on demand" in caplog.text


def test_failed_installation_is_reported_once_for_each_reason(reporter, host):
    for reason in ("no route", "no route", "the disk is full", "the disk is full"):
        reporter.report_failure(reason, ENTRY, 15.0)
    assert [step.reason for step in host.steps] == ["no route", "the disk is full"]
    reporter.report_failure("the disk is full", None, 15.0)  # of the source itself, not of a candidate
    assert len(host.steps) == 3


def test_unfinished_update_is_logged_once(reporter, host, caplog):
    for _ in range(2):
        reporter.report_unfinished("the disk is full")
    assert caplog.text.count("the disk is full") == 1 and reporter.failure == "the disk is full" and host.steps == []
