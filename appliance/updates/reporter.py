"""Report what the updater does: each new fact once, on T/update, on T/model and in the log."""

import logging
from collections.abc import Callable

from appliance.updates.host import Host
from appliance.updates.journal import JournalEntry
from appliance.updates.policy import Decision, OfferAction
from appliance.updates.sources.source import Offer, display_version
from appliance.updates.steps import PASSED_OVER, UpdateState, UpdateStep

log = logging.getLogger("appliance.updates")


class UpdateReporter:
    """Reports decisions and failures. Use it on the updater's thread; any thread may read its attributes.

    Attributes:
        latest: The newer version that is offered; None if there is none.
        passed_over: Why the last offer was not installed; None if it was.
        failure: Why the last check failed; None if it succeeded.
    """

    def __init__(self, host: Host, is_on_probation: Callable[[], bool]):
        """Start with nothing reported.

        Args:
            host: Publishes the reports.
            is_on_probation: Returns whether the active model is on probation.
        """
        self._is_on_probation = is_on_probation
        self.latest: str | None = None
        self.passed_over: str | None = None
        self.failure: str | None = None
        self._host = host
        self._announced_hash: str | None = None
        self._wait: tuple[str | None, str | None] | None = None
        self._failed_hash: str | None = None

    def report_latest(self, version: str | None) -> None:
        """Report the newer version that is offered, or None, and that no installation is in progress."""
        self.latest = version
        self._show_offer(version, UpdateState.AVAILABLE if version else None)

    def record_installation(self) -> None:
        """Record that no newer version waits any more, because it was installed or refused; a step reported that."""
        self.latest = None

    def report_decision(self, decision: Decision, offer: Offer | None) -> None:
        """Report a decision: in the log if the offer is not installed, on T/update if it is or may be."""
        if decision.action is OfferAction.DENY:
            # Home Assistant shows no answer to its command, so the reason must be in the status too.
            if offer:
                self._show_offer(display_version(offer), PASSED_OVER, decision.reason)
            return
        if offer and decision.action in (OfferAction.ANNOUNCE, OfferAction.TAKE):
            version = display_version(offer)
            if self._announced_hash != offer.hash:
                self._announced_hash = offer.hash
                self._host.report_step(UpdateStep(UpdateState.AVAILABLE, version, offer.sha256))
            if decision.action is OfferAction.ANNOUNCE:
                self.report_latest(version)
            return
        if decision.action is OfferAction.HOLD:  # `report_wait` reported it
            return
        if decision.reason and decision.reason != self.passed_over:
            log.info("no newer model: %s", decision.reason)
        self.passed_over = decision.reason
        if offer and decision.action is OfferAction.SKIP:
            self.latest = None
            self._show_skipped(decision, display_version(offer))
        else:
            self.report_latest(None)

    def report_wait(self, entry: JournalEntry | None, reason: str) -> None:
        """Report that a tested model waits for update.window: once, until the reason changes.

        Args:
            entry: The candidate; None if the journal does not have it.
            reason: What it waits for, and until when.
        """
        version, sha256 = (entry.version, entry.sha256) if entry else (None, None)
        self.latest, self.passed_over = version, None
        if (version, reason) != self._wait:
            self._wait = version, reason
            self._host.report_step(UpdateStep(UpdateState.WAITING, version, sha256, reason))

    def forget_announcement(self) -> None:
        """Report an offer again when it returns, because its model was taken back."""
        self._announced_hash = self._wait = None

    def report_failure(self, reason: str, entry: JournalEntry | None, after_s: float | None) -> None:
        """Report a failure that will be retried: once, until its reason changes.

        Args:
            reason: The failure.
            entry: The candidate whose installation failed; None if there was none.
            after_s: The seconds until the next attempt; None if only on demand.
        """
        self._show_offer(self.latest, UpdateState.FAILED, reason)
        failed_hash = entry.hash if entry else None
        if (reason, failed_hash) == (self.failure, self._failed_hash):
            return
        self.failure, self._failed_hash = reason, failed_hash
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
        self.failure = self._failed_hash = None

    def _show_skipped(self, decision: Decision, version: str) -> None:
        if decision.may_run:
            self._show_offer(None, None)
        elif decision.is_rejected and decision.reason:
            self._show_offer(version, UpdateState.REFUSED, decision.reason.removeprefix(f"{version} was refused: "))
        else:
            self._show_offer(version, PASSED_OVER, decision.reason)

    def _show_offer(self, version: str | None, state: str | None, reason: str | None = None) -> None:
        """Show on T/model what is offered and does not run; a probation stays in progress until its outcome."""
        if not self._is_on_probation():
            self._host.report_status(lambda status: status.show_offer(version, state, reason))
