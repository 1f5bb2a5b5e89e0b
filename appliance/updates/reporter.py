"""Report what the updater does: each new fact once, on T/update, on T/model and in the log."""

import logging

from appliance.updates.host import Host
from appliance.updates.journal import JournalEntry
from appliance.updates.policy import Decision, OfferAction
from appliance.updates.sources.source import Offer, display_version
from appliance.updates.steps import UpdateState, UpdateStatus, UpdateStep

log = logging.getLogger("appliance.updates")


class UpdateReporter:
    """Reports decisions and failures. Use it on the updater's thread; any thread may read its attributes.

    Attributes:
        latest: The newer version that is offered; None if there is none.
        passed_over: Why the last offer was not installed; None if it was.
        failure: Why the last check failed; None if it succeeded.
    """

    def __init__(self, host: Host):
        """Start with nothing reported."""
        self.latest: str | None = None
        self.passed_over: str | None = None
        self.failure: str | None = None
        self._host = host
        self._announced_hash: str | None = None

    def report_latest(self, version: str | None) -> None:
        """Report the newer version that is offered, or None, and that no installation is in progress."""
        self.latest = version
        self._host.report_status(UpdateStatus(version))

    def report_decision(self, decision: Decision, offer: Offer | None) -> None:
        """Report a decision: in the log if the offer is not installed, on T/update if it is or may be."""
        if decision.action is OfferAction.DENY:
            return  # the answer to the request is enough
        if offer and decision.action in (OfferAction.ANNOUNCE, OfferAction.TAKE):
            version = display_version(offer)
            if self._announced_hash != offer.hash:
                self._announced_hash = offer.hash
                self._host.report_step(UpdateStep(UpdateState.AVAILABLE, version, offer.sha256))
            if decision.action is OfferAction.ANNOUNCE:
                self.report_latest(version)
            return
        if decision.reason and decision.reason != self.passed_over:
            log.info("no newer model: %s", decision.reason)
        self.passed_over = decision.reason
        self.report_latest(None)

    def report_failure(self, reason: str, entry: JournalEntry | None, after_s: float | None) -> None:
        """Report a failure that will be retried: once, until its reason changes.

        Args:
            reason: The failure.
            entry: The candidate whose installation failed, which is reported each time; None if there was none.
            after_s: The seconds until the next attempt; None if only on demand.
        """
        self.report_latest(self.latest)
        if reason == self.failure and not entry:
            return
        self.failure = reason
        log.warning(
            "no update: %s; %s",
            reason,
            "trying again on demand" if after_s is None else f"trying again in {after_s:.0f} s",
        )
        version, sha256 = (entry.version, entry.sha256) if entry else (None, None)
        self._host.report_step(UpdateStep(UpdateState.FAILED, version, sha256, reason))

    def report_unfinished(self, reason: str) -> None:
        """Log that an earlier update cannot be finished, once until the reason changes."""
        if reason != self.failure:
            self.failure = reason
            log.warning("an interrupted update cannot be finished: %s; trying again", reason)

    def clear_failure(self) -> None:
        """Record that the last attempt succeeded."""
        self.failure = None
