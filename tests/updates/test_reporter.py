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
    return Rig(tmp_path, None)


@pytest.fixture
def reporter(host, caplog):
    caplog.set_level("INFO", "appliance.updates")
    return UpdateReporter(host)


def test_skipped_offer_is_logged_once(reporter, host, caplog):
    for _ in range(2):
        reporter.report_decision(Decision(OfferAction.SKIP, "0.9 is older"), OFFER)
    assert caplog.text.count("no newer model: 0.9 is older") == 1
    assert reporter.passed_over == "0.9 is older" and host.steps == [] and host.statuses[-1] == UpdateStatus(None)


def test_running_offer_clears_what_was_passed_over(reporter, caplog):
    reporter.report_decision(Decision(OfferAction.SKIP, "0.9 is older"), OFFER)
    reporter.report_decision(Decision(OfferAction.RUNS), OFFER)
    reporter.report_decision(Decision(OfferAction.SKIP, "0.9 is older"), OFFER)
    assert caplog.text.count("no newer model") == 2


def test_announced_offer_is_available_once(reporter, host):
    for _ in range(2):
        reporter.report_decision(Decision(OfferAction.ANNOUNCE), OFFER)
    assert host.steps == [UpdateStep(UpdateState.AVAILABLE, "2.0", "ab")]
    assert reporter.latest == "2.0" and host.statuses[-1] == UpdateStatus("2.0")


def test_offer_to_install_is_available(reporter, host):
    reporter.report_decision(Decision(OfferAction.TAKE), OFFER)
    assert [step.state for step in host.steps] == ["available"] and host.statuses == []


def test_denied_request_reports_nothing(reporter, host, caplog):
    reporter.report_decision(Decision(OfferAction.ANNOUNCE), OFFER)
    shown = list(host.statuses)
    reporter.report_decision(Decision(OfferAction.DENY, "the source offers 2.0, not 3.0"), OFFER)
    assert host.statuses == shown and reporter.latest == "2.0" and caplog.text == ""


def test_failure_is_reported_until_its_reason_changes(reporter, host, caplog):
    for reason in ("no route", "no route", "404"):
        reporter.report_failure(reason, None, 15.0)
    assert [step.reason for step in host.steps] == ["no route", "404"] and reporter.failure == "404"
    assert "no update: 404; trying again in 15 s" in caplog.text
    reporter.clear_failure()
    reporter.report_failure("404", None, None)
    assert host.steps[-1] == UpdateStep(UpdateState.FAILED, None, None, "404") and "on demand" in caplog.text


def test_failed_installation_is_reported_each_time(reporter, host):
    for _ in range(2):
        reporter.report_failure("no route", ENTRY, 15.0)
    assert host.steps == [UpdateStep(UpdateState.FAILED, "2.0", "ab", "no route")] * 2


def test_unfinished_update_is_logged_once(reporter, host, caplog):
    for _ in range(2):
        reporter.report_unfinished("the disk is full")
    assert caplog.text.count("the disk is full") == 1 and reporter.failure == "the disk is full" and host.steps == []
