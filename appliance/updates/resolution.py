"""Verdicts on models: written down, carried out, told, in this order, so that a kill in between loses none of it.

Each method finds its verdict in the journal, where it was written before; `recover` carries out at a start what the last
process left there.
"""

import logging
from dataclasses import replace

from appliance.errors import StoreError
from appliance.updates.host import Host, RevertedModel, UpdateStep
from appliance.updates.journal import Journal, JournalEntry
from appliance.updates.store.state import InstalledModel
from appliance.updates.store.store import Store

log = logging.getLogger(__name__)


class Resolution:
    """Carries verdicts out, on the updater's thread."""

    def __init__(self, journal: Journal, store: Store, device: Host):
        self._journal = journal
        self._store = store
        self._device = device

    def refuse(self, entry: JournalEntry) -> None:
        """The candidate is not taken, and not tried again until something else is offered.

        Raises:
            StoreError, OSError: It could not be written down.
        """
        self._journal.write(entry)
        if self._store.state().waiting:
            self._store.discard_waiting()
        self._store.refuse(entry.hash, entry.version or "", entry.reason or "")
        log.warning("the model %s is refused: %s", entry.version, entry.reason)
        self._tell("refused", entry)

    def another(self, hash: str, version: str | None) -> None:
        """Something is offered: what was refused under another hash is forgotten, as far as the disk permits.

        Args:
            hash: It is offered under this.
            version: What was refused of this version may be the same bundle, and stays; None: it is another for sure.
        """
        try:
            self._store.forget_refusals(keep=hash, keep_version=version)
        except StoreError as error:
            log.warning("what was refused earlier is not forgotten yet: %s", error)

    def take_back(self, entry: JournalEntry) -> None:
        """The model on probation failed: the one before it runs again.

        Raises:
            StoreError, ModelError, OSError: It could not be done.
        """
        self._journal.write(entry)
        if self._on_probation(entry):
            self._device.roll_back(entry.reason or "it failed its probation")
        else:  # an earlier try came so far; what labels is what the store says
            self._device.go_back(lambda: None)
        log.warning("the model %s is taken back: %s", entry.version, entry.reason)
        self._tell("rolled_back", entry)

    def commit(self, entry: JournalEntry) -> None:
        """The model on probation proved itself, or its owner says that it need not.

        Raises:
            StoreError, OSError: It could not be written down.
        """
        self._journal.write(entry)
        self._store.commit()
        log.info("the model %s %s", entry.version, f"stays: {entry.reason}" if entry.reason else "has proved itself")
        self._tell("committed", entry)

    def recover(self, taken_back: RevertedModel | None) -> InstalledModel | None:
        """Finishes what the last process left undone, and tells what this start found.

        Args:
            taken_back: A model that this start could not keep.

        Returns:
            The model on probation, where one is.

        Raises:
            StoreError, ModelError, OSError: It could not be done.
        """
        entry = self._journal.entry
        if taken_back:
            slot = taken_back.slot
            self._device.told(UpdateStep("rolled_back", slot.version, slot.sha256, taken_back.reason))
            if entry and entry.hash in (slot.key, slot.offer):
                self._journal.write(None)
                entry = None
        trial = self._trial()
        if entry is None:
            return trial
        about_trial = self._on_probation(entry)
        if entry.step == "refused":
            self.refuse(entry)
        elif entry.step == "rolled_back" and about_trial:
            self.take_back(entry)
        elif entry.step == "committed" and about_trial:
            self.commit(entry)
        elif entry.step in ("rolled_back", "committed"):
            self._tell(entry.step, entry)  # carried out, and perhaps not told
        else:
            if entry.step == "swapping" and about_trial:
                self._device.told(UpdateStep("swapped", entry.version, entry.sha256))
            return trial
        return None

    def _trial(self) -> InstalledModel | None:
        state = self._store.state()
        return state.current if state.probation else None

    def _on_probation(self, entry: JournalEntry) -> bool:
        trial = self._trial()
        return trial is not None and entry.hash in (trial.key, trial.offer)

    def _tell(self, state: str, entry: JournalEntry) -> None:
        self._device.told(UpdateStep(state, entry.version, entry.sha256, entry.reason))
        self._journal.write(None)


def verdict(entry: JournalEntry, step: str, reason: str | None = None) -> JournalEntry:
    """What the journal says of a model, with a verdict on it."""
    return replace(entry, step=step, reason=reason)
