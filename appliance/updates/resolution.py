"""Apply the outcomes of updates: write to the journal, apply, report, in this order, so that a kill loses none.

At startup, `recover` applies what the last process left in the journal.
"""

import logging
from dataclasses import replace

from appliance.errors import StoreError
from appliance.updates.host import Host
from appliance.updates.journal import Journal, JournalEntry
from appliance.updates.sources.source import Offer
from appliance.updates.steps import UpdateState, UpdateStep
from appliance.updates.store.state import InstalledModel, RevertedModel
from appliance.updates.store.store import Store

log = logging.getLogger("appliance.updates")


class Resolution:
    """Applies outcomes. Use it on the updater's thread."""

    def __init__(self, journal: Journal, store: Store, host: Host):
        """Keep the journal, the store and the host for later calls."""
        self._journal = journal
        self._store = store
        self._host = host

    def reject(self, entry: JournalEntry) -> None:
        """Reject the candidate, so that it is not tried again until another model is offered.

        Raises:
            StoreError, OSError: The outcome cannot be written.
        """
        self._journal.write(entry)
        if self._store.read_state().staged:
            self._store.discard_staged()
        self._store.reject(entry.hash, entry.version or "", entry.reason or "")
        log.warning("the model %s was refused: %s", entry.version, entry.reason)
        self._report(UpdateState.REFUSED, entry)

    def forget_other_rejections(self, offer: Offer | None, runs: bool) -> None:
        """Forget the rejections of other offers; if the store cannot be written, only log that.

        A rejection of the offered version stays, because it may be the same bundle under a different hash. If the offer
        has no version, nothing is forgotten.

        Args:
            offer: The current offer; None if nothing is offered, so that nothing is forgotten.
            runs: Whether the offer is the active model, so that every other version is a different bundle.
        """
        if offer is None or not (runs or offer.version):
            return
        try:
            self._store.forget_rejections(keep=offer.hash, keep_version=None if runs else offer.version)
        except StoreError as error:
            log.warning("earlier rejections cannot be cleared yet: %s", error)

    def rollback(self, entry: JournalEntry) -> None:
        """Activate the model that preceded the one that failed, on probation or after it.

        Raises:
            StoreError, ModelError, OSError: The rollback failed.
        """
        self._journal.write(entry)
        if _is_about(entry, self._store.read_state().current):
            reason = entry.reason or "it failed its probation"
            if entry.withdrawn:
                self._host.rollback(reason, refuse=False)
            else:
                self._host.rollback(reason)
        else:  # an earlier attempt rolled the store back; activate its current model
            self._host.reload_current(lambda: None)
        log.warning("the model %s was rolled back: %s", entry.version, entry.reason)
        self._report(UpdateState.ROLLED_BACK, entry)

    def commit(self, entry: JournalEntry) -> None:
        """End the probation, because the model passed it or the owner ended it.

        Raises:
            StoreError, OSError: The outcome cannot be written.
        """
        self._journal.write(entry)
        self._store.commit()
        log.info(
            "the model %s %s", entry.version, f"is kept: {entry.reason}" if entry.reason else "has passed its probation"
        )
        self._report(UpdateState.COMMITTED, entry)

    def recover(self, reverted: RevertedModel | None) -> InstalledModel | None:
        """Finish what the last process left undone, and report a reverted model.

        Args:
            reverted: A model that this start of the program could not keep; None if there is none.

        Returns:
            The model on probation; None if there is none.

        Raises:
            StoreError, ModelError, OSError: The recovery failed.
        """
        if reverted:
            self._report_reverted(reverted)
        # Read once: another command may replace the model in the meantime; the monitor then reports it.
        model = self._model_on_probation()
        entry = self._journal.entry
        if entry and self._finish(entry, model):
            return None
        return model

    def _report_reverted(self, reverted: RevertedModel) -> None:
        model, entry = reverted.model, self._journal.entry
        self._host.report_step(UpdateStep(UpdateState.ROLLED_BACK, model.version, model.sha256, reverted.reason))
        if entry and entry.hash in (model.key, model.offer):
            self._journal.write(None)

    def _finish(self, entry: JournalEntry, model: InstalledModel | None) -> bool:
        """Apply the outcome in a journal entry, given the model on probation; return whether there was one."""
        is_on_probation = _is_about(entry, model)
        if entry.step is UpdateState.REFUSED:
            self.reject(entry)
        elif entry.step is UpdateState.ROLLED_BACK and is_on_probation:
            self.rollback(entry)
        elif entry.step is UpdateState.COMMITTED and is_on_probation:
            self.commit(entry)
        elif entry.step in (UpdateState.ROLLED_BACK, UpdateState.COMMITTED):
            self._report(entry.step, entry)  # applied, but perhaps not reported
        else:
            if entry.step is UpdateState.SWAPPING and is_on_probation:
                self._host.report_step(UpdateStep(UpdateState.SWAPPED, entry.version, entry.sha256))
            return False
        return True

    def _model_on_probation(self) -> InstalledModel | None:
        state = self._store.read_state()
        return state.current if state.probation else None

    def _report(self, state: UpdateState, entry: JournalEntry) -> None:
        self._host.report_step(UpdateStep(state, entry.version, entry.sha256, entry.reason))
        self._journal.write(None)


def _is_about(entry: JournalEntry, model: InstalledModel | None) -> bool:
    return model is not None and entry.hash in (model.key, model.offer)


def with_outcome(entry: JournalEntry, step: UpdateState, reason: str | None = None) -> JournalEntry:
    """Return a copy of the entry with an outcome."""
    return replace(entry, step=step, reason=reason)
