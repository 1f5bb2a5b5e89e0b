"""One candidate's way from an offer to the running model: fetched, checked, tried, put on disk, warmed, swapped in.

Each step is in the journal before it acts (journal.py) and told once it is under way. The step that changes which model
runs is the store's own, in one piece; all before it leaves no trace that matters, all after it is the probation. What
ends the way early is one of three: `Refused` (the bundle is at fault, or is not wanted here), `Given up for now` (an
error of the source, the disk, the probe), or a kill, after which `course` is run again and goes on with what is there.
"""

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from appliance.bundle.bundle import Bundle, read_bundle
from appliance.bundle.key import bundle_key
from appliance.errors import BundleError, DiskFullError, LabelOptionError, SourceError, UpdateError
from appliance.labeling.probe import ProbeResult
from appliance.system.device_id import boot_id
from appliance.transport.disk_space import is_full, require_free_space
from appliance.updates.host import Host, UpdateStatus, UpdateStep
from appliance.updates.journal import Journal, JournalEntry
from appliance.updates.known_candidate import KnownCandidate
from appliance.updates.policy import UpdatePolicy
from appliance.updates.sources.source import Offer, Source, shown_version
from appliance.updates.store.state import InstalledModel, StoreState
from appliance.updates.store.store import Store

log = logging.getLogger(__name__)

# Steps in which a bad model can end this process, or the machine.
DANGEROUS = ("probing", "warming", "swapping")
MAX_TRIES = 2
_PROGRESS_STEP = 5

Probe = Callable[[Path], ProbeResult]


class CandidateRejectedError(UpdateError):
    """The candidate is not taken, now or when it is offered again."""


class NotApplicableError(UpdateError):
    """The candidate is not at fault, and yet not taken under the settings of this device, or after what runs on it."""


class ShutdownError(UpdateError):
    """The program stops; the candidate's way goes on at the next start."""


class Candidate:
    """An offer on its way."""

    def __init__(
        self,
        offer: Offer,
        asked: bool,
        source: Source,
        store: Store,
        journal: Journal,
        device: Host,
        probe: Probe,
        rules: UpdatePolicy,
        downloads: Path,
        p95_ms: Callable[[], float | None],
        stopping: Callable[[], bool],
    ):
        """Args:
        offer: What the source offers.
        asked: The owner asked for it: an earlier refusal of the same bundle does not count.
        source: Who offers it.
        store, journal, device: Where it goes, what is remembered, what is told.
        probe: Tries a bundle out (updates.probe).
        rules: What the settings say.
        downloads: The folder for what is being fetched.
        p95_ms: What the running model takes for a frame.
        stopping: Whether the program stops.
        """
        self.offer = offer
        self.asked = asked
        self.version, self.sha256 = offer.version, offer.sha256
        self.learned: KnownCandidate | None = None
        self._source = source
        self._store = store
        self._journal = journal
        self._device = device
        self._probe = probe
        self._rules = rules
        self._downloads = downloads
        self._p95_ms = p95_ms
        self._stopping = stopping
        before = journal.entry
        survived = before is None or before.hash != offer.hash or before.boot != boot_id()
        self._tries = 0 if survived else before.tries
        self._percentage: int | None = None

    @property
    def shown_version(self) -> str:
        """What to call it: its version, or what stands for one."""
        return shown_version(self.offer) if self.version is None else self.version

    def course(self) -> InstalledModel | None:
        """Goes the whole way.

        Returns:
            The model that runs now, on probation; None where it is the one that ran before.

        Raises:
            RefusedError: It is not to be taken.
            NotHereError: It may be taken once the settings, or what runs, are others.
            SourceError, ProbeError, StoreError, ModelError, OSError: It cannot be done now.
            StoppedError: The program stops.
        """
        path = self._at_hand() or self._fetched()
        self._step("verifying")
        bundle = _read(path)
        self.version, self.sha256 = bundle.identity.version, bundle.identity.sha256
        self.learned = KnownCandidate(self.offer.hash, bundle.version, bundle.identity.name, unsuited=False)
        key, current = bundle_key(bundle), self._store.state().current
        if current and current.key == key:
            adopt(self._store, self.offer, current)
            self.clear()
            return None
        self._judge(bundle, key, current is None)
        self._dangerous("probing")
        self._try(bundle)
        slot = self._store.add(
            bundle, self._source.origin, self.offer.hash, self.offer.variant, self.offer.experiment, over_bundled=True
        )
        self.clear()
        self._swap(slot, bundle)
        return slot

    # The steps

    def _at_hand(self) -> Path | None:
        """The bundle's folder, where an earlier try got as far as the store."""
        waiting = self._store.state().waiting
        return self._store.path(waiting) if waiting and waiting.offer == self.offer.hash else None

    def _fetched(self) -> Path:
        self._step("downloading")
        folder = self._downloads / sha256(self.offer.hash.encode()).hexdigest()[:16]
        self.clear(but=folder)
        folder.mkdir(parents=True, exist_ok=True)
        have_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        try:
            require_free_space(folder, min(self.offer.size_bytes or 0, self._rules.max_bytes), have_bytes)
            return self._source.fetch(self.offer, folder, self._progress)
        except BundleError as error:
            raise CandidateRejectedError(_plain(error)) from error
        except (DiskFullError, OSError) as error:
            if is_full(error):
                self.clear()  # what came so far would only keep the disk full
            raise

    def _progress(self, got: int, of: int | None) -> None:
        if self._stopping():
            raise ShutdownError("the program stops")
        percentage = None if not of else min(100, got * 100 // of) // _PROGRESS_STEP * _PROGRESS_STEP
        if percentage != self._percentage:
            self._percentage = percentage
            self._device.shows(UpdateStatus(self.shown_version, True, percentage))

    def _judge(self, bundle: Bundle, key: str, bundled: bool) -> None:
        """What can be told without running it."""
        refusal = self._store.refusal(key)
        if refusal and not self.asked:
            raise CandidateRejectedError(f"it is the same that was refused before: {refusal.reason}")
        if not refusal:
            self._store.forget_refusals(keep=self.offer.hash)
        if self.offer.sha256 and bundle.identity.sha256 != self.offer.sha256:
            raise SourceError("the model that came is not the one that was announced; it is fetched anew")
        running = self._device.running()
        if older := self._rules.against(self.offer, bundle.version, bundle.identity.name, running, bundled):
            raise NotApplicableError(older)

    def _try(self, bundle: Bundle) -> None:
        try:
            result = self._probe(bundle.source)
        except BundleError as error:
            raise CandidateRejectedError(_plain(error)) from error
        if result.identity.sha256 != bundle.identity.sha256:
            raise SourceError("the files changed while they were tried; they are fetched anew")

    def _swap(self, slot: InstalledModel, bundle: Bundle) -> None:
        self._dangerous("warming")
        kept = read_bundle(self._store.path(slot))
        identity = replace(kept.identity, variant=slot.variant, experiment=slot.experiment)
        try:
            warmed = self._device.warm(replace(kept, identity=identity))
            self._dangerous("swapping", self._p95_ms())
            self._device.swap(warmed, lambda: self._store.swap(slot, probation=True))
        except BundleError as error:
            raise CandidateRejectedError(_plain(error)) from error
        except LabelOptionError as error:
            self.learned = replace(self.learned, unsuited=True)
            raise NotApplicableError(f"it does not suit the settings of this device: {_plain(error)}") from error
        self.tell("swapped")

    # What is written and told

    def tell(self, state: str, reason: str | None = None) -> None:
        """A step, with what is known of the candidate."""
        self._device.told(UpdateStep(state, self.shown_version, self.sha256, reason))

    def entry(self, step: str, **more: object) -> JournalEntry:
        """A line of the journal about it."""
        return JournalEntry(step, self.offer.hash, self.shown_version, self.sha256, asked=self.asked, **more)

    def _step(self, state: str) -> None:
        self._go_on()
        self._journal.write(self.entry(state))
        self._device.shows(UpdateStatus(self.shown_version, True))
        self.tell(state)

    def _dangerous(self, step: str, old_p95_ms: float | None = None) -> None:
        """A step that a bad model may not let this process survive: each begin is counted."""
        self._go_on()
        tries = self._tries + 1
        if tries > MAX_TRIES:
            raise CandidateRejectedError(f"the program did not survive it {self._tries} times in a row ({step})")
        self._journal.write(self.entry(step, tries=tries, boot=boot_id(), old_p95_ms=old_p95_ms))
        if step == "probing":
            self.tell(step)

    def _go_on(self) -> None:
        if self._stopping():
            raise ShutdownError("the program stops")

    def clear(self, but: Path | None = None) -> None:
        """Removes what was fetched, of this and of earlier offers."""
        for path in self._downloads.iterdir() if self._downloads.is_dir() else ():
            if path != but:
                shutil.rmtree(path, ignore_errors=True)


def adopt(store: Store, offer: Offer, slot: InstalledModel) -> None:
    """The offer is the model that runs: notes under which hash and in which branch it is offered now.

    Where somebody else put another model in the place of `slot` meanwhile, that one stays as it is.
    """

    def noted(state: StoreState) -> StoreState:
        if state.current is None or state.current.key != slot.key:
            return state
        now = replace(state.current, offer=offer.hash, variant=offer.variant, experiment=offer.experiment)
        return replace(state, current=now)

    store.change(noted)


def _read(path: Path) -> Bundle:
    try:
        return read_bundle(path)
    except BundleError as error:
        raise CandidateRejectedError(_plain(error, path)) from error


def _plain(error: Exception, path: Path | None = None) -> str:
    """The sentence, without the folders of this device, which mean nothing to whoever reads T/update."""
    text = str(error).rstrip(".")
    return text.replace(f"{path.parent}/", "") if path else text
