"""Turn one offer into the active model: fetch, check, probe, store, preload, and swap in the candidate.

Each step is written to the journal before it begins, and reported once it has begun. The store changes the active model
in one atomic step; every step before it can be repeated, and the probation follows it. A candidate can end early in
three ways: it is rejected (the bundle is faulty, or not wanted here); the source, the disk or the probe fails, and the
installation is retried; or the process is killed, after which `run` starts over and reuses what is on disk.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from appliance.bundle.bundle import Bundle, read_bundle
from appliance.bundle.key import bundle_key
from appliance.errors import (
    BundleError,
    DiskFullError,
    LabelOptionError,
    SourceChangedError,
    SourceError,
    UpdateError,
)
from appliance.labeling.probe import ProbeResult
from appliance.system.device_id import boot_id
from appliance.transport.disk_space import is_disk_full, require_free_space
from appliance.updates.host import Host
from appliance.updates.journal import Journal, JournalEntry
from appliance.updates.known_candidate import KnownCandidate
from appliance.updates.policy import UpdatePolicy, find_version_conflict
from appliance.updates.situation import read_running_model
from appliance.updates.sources.source import Offer, Source, display_version
from appliance.updates.steps import UpdateState, UpdateStatus, UpdateStep
from appliance.updates.store.state import InstalledModel, StoreState
from appliance.updates.store.store import Store

MAX_TRIES = 2
_PROGRESS_STEP = 5
# After this time, the source is asked again before the swap.
_RECHECK_AFTER_S = 60.0
_STOPPING = "the program is stopping"

Probe = Callable[[Path], ProbeResult]


class CandidateRejectedError(UpdateError):
    """The candidate must not be installed, now or when it is offered again."""


class NotApplicableError(UpdateError):
    """The candidate is not faulty, but the settings or the active model rule it out."""


class WindowClosedError(UpdateError):
    """The candidate is stored and tested, and is swapped in when update.window opens."""


class ShutdownError(UpdateError):
    """The program is stopping; the next start continues with the candidate."""


@dataclass(frozen=True, slots=True)
class CandidateContext:
    """What every candidate needs.

    Attributes:
        store: The models of this device.
        journal: Records each step.
        host: The program that labels.
        probe: Runs a bundle in a separate process (labeling.probe).
        policy: The settings for offers.
        downloads: The folder for downloads.
        p95_ms: Returns the 95th percentile of the active model's time per frame; None if unknown.
        is_stopping: Returns whether the program is stopping.
        take_back: Rolls back a model on probation, because the source offers another one; returns whether it did.
        window_obstacle: Returns why no model may be swapped in now; None if one may be.
        reported: The steps that were reported for an offer whose installation then failed, and that are not published
            again: the hash of the offer, and the state.
        clock: Returns monotonic time in seconds.
    """

    store: Store
    journal: Journal
    host: Host
    probe: Probe
    policy: UpdatePolicy
    downloads: Path
    p95_ms: Callable[[], float | None]
    is_stopping: Callable[[], bool]
    take_back: Callable[[str], bool] = lambda reason: False
    window_obstacle: Callable[[], str | None] = lambda: None
    reported: set[tuple[str, UpdateState]] = field(default_factory=set)
    clock: Callable[[], float] = time.monotonic

    def clear_downloads(self, keep: Path | None = None) -> None:
        """Remove the downloads of this offer and of earlier offers."""
        for path in self.downloads.iterdir() if self.downloads.is_dir() else ():
            if path != keep:
                shutil.rmtree(path, ignore_errors=True)


class Candidate:
    """An offer that is being installed.

    Attributes:
        offer: The offer.
        requested: Whether the owner asked for the offer, so that an earlier rejection of the same bundle is ignored.
        known: What the bundle revealed, for the next decision; None until the bundle has been read.
    """

    def __init__(self, offer: Offer, requested: bool, source: Source, context: CandidateContext):
        """Prepare the installation; `run` performs it."""
        self.offer = offer
        self.requested = requested
        self.known: KnownCandidate | None = None
        self._version, self._sha256 = offer.version, offer.sha256
        self._source = source
        self._context = context
        self._store, self._journal, self._host = context.store, context.journal, context.host
        before = context.journal.entry
        has_failed_before = before is not None and before.hash == offer.hash and before.boot == boot_id()
        self._tries = before.tries if before and has_failed_before else 0
        self._percentage: int | None = None
        self._reported: list[tuple[str, UpdateState]] = []

    @property
    def version(self) -> str:
        """The name to display: the version, or a hash if there is none."""
        return display_version(self.offer) if self._version is None else self._version

    def run(self) -> InstalledModel | None:
        """Take all steps from the download to the swap.

        Returns:
            The new active model, on probation; None if the candidate is already the active model.

        Raises:
            CandidateRejectedError: The candidate must not be installed.
            NotApplicableError: The settings or the active model rule it out.
            SourceError, ProbeError, StoreError, ModelError, OSError: A step failed and may be retried.
            ShutdownError: The program is stopping.
            WindowClosedError: It may not be swapped in now.
        """
        start_s = self._context.clock()
        path = self._find_staged() or self._fetch()
        self._begin_step(UpdateState.VERIFYING)
        bundle = _read(path)
        self._version, self._sha256 = bundle.identity.version, bundle.identity.sha256
        self.known = KnownCandidate(self.offer.hash, bundle.version, bundle.identity.name)
        key = bundle_key(bundle)
        if self._is_current(key):
            return None
        if self._context.take_back(f"the source offers {self.version} instead") and self._is_current(key):
            return None
        self._check(bundle, key)
        self._begin_dangerous_step(UpdateState.PROBING)
        self._run_probe(bundle)
        offer = self.offer
        model = self._store.add(
            bundle, self._source.origin, offer.hash, offer.variant, offer.experiment, overrides_bundled=True
        )
        self._context.clear_downloads()
        if obstacle := self._context.window_obstacle():
            self.known = replace(self.known, is_tested=True)
            raise WindowClosedError(f"{self.version} {obstacle}")
        if self._context.clock() - start_s > _RECHECK_AFTER_S:
            self._require_offer()
        self._swap(model)
        return model

    def _is_current(self, key: str) -> bool:
        """Return whether the bundle is the active model; if so, record that it is offered under this hash.

        A hash that does not identify the bytes is not recorded: other bytes may come under the same hash later.
        """
        current = self._store.read_state().current
        if current is None or current.key != key:
            return False
        if self.offer.is_bound:
            link_offer(self._store, self.offer, current)
        elif self.known:
            self.known = replace(self.known, same_key=key)
        self._context.clear_downloads()
        return True

    def _require_offer(self) -> None:
        """Raise SourceChangedError if the source has withdrawn the offer during a long download."""
        now = self._source.check(requested=False)
        if now is None or now.hash != self.offer.hash:
            raise SourceChangedError(f"{self._source.origin} has withdrawn {self.version} in the meantime")

    # The steps

    def _find_staged(self) -> Path | None:
        """Return the bundle's folder if an earlier attempt stored it."""
        staged = self._store.read_state().staged
        return self._store.path(staged) if staged and staged.offer == self.offer.hash else None

    def _fetch(self) -> Path:
        self._begin_step(UpdateState.DOWNLOADING)
        folder = self._context.downloads / sha256(self.offer.hash.encode()).hexdigest()[:16]
        self._context.clear_downloads(keep=folder)
        folder.mkdir(parents=True, exist_ok=True)
        have_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        max_bytes = self._context.policy.max_bytes
        try:
            require_free_space(folder, min(self.offer.size_bytes or 0, max_bytes), have_bytes)
            return self._source.fetch(self.offer, folder, self._report_progress)
        except BundleError as error:
            raise CandidateRejectedError(str(error)) from error
        except (DiskFullError, OSError) as error:
            if is_disk_full(error):
                self._context.clear_downloads()  # a partial download would keep the disk full
            raise

    def _report_progress(self, received_bytes: int, total_bytes: int | None) -> None:
        self._raise_if_stopping()
        percentage = None
        if total_bytes:
            percentage = min(100, received_bytes * 100 // total_bytes) // _PROGRESS_STEP * _PROGRESS_STEP
        if percentage != self._percentage:
            self._percentage = percentage
            self._host.report_status(lambda _: UpdateStatus(self.version, True, percentage, UpdateState.DOWNLOADING))

    def _check(self, bundle: Bundle, key: str) -> None:
        """Check everything that can be checked without running the bundle."""
        rejection = self._store.rejection(key)
        if rejection and not self.requested:
            raise CandidateRejectedError(f"the same bundle was refused before: {rejection.reason}")
        if not rejection:
            self._store.forget_rejections(keep=self.offer.hash)
        if self.offer.sha256 and bundle.identity.sha256 != self.offer.sha256:
            raise SourceError("the downloaded model is not the announced one; it will be downloaded again")
        running = read_running_model(self._store, self._host)
        policy = self._context.policy
        if conflict := find_version_conflict(self.offer, bundle.version, bundle.identity.name, running, policy):
            raise NotApplicableError(conflict)

    def _run_probe(self, bundle: Bundle) -> None:
        try:
            result = self._context.probe(bundle.source)
        except BundleError as error:
            raise CandidateRejectedError(_remove_folder(error, bundle.source)) from error
        if result.identity.sha256 != bundle.identity.sha256:
            raise SourceError("the files changed while they were being tested; they will be downloaded again")

    def _swap(self, model: InstalledModel) -> None:
        self._begin_dangerous_step(UpdateState.WARMING)
        stored = self._store.load_bundle(model)
        identity = replace(stored.identity, variant=model.variant, experiment=model.experiment)
        try:
            preloaded = self._host.preload(replace(stored, identity=identity))
            self._begin_dangerous_step(UpdateState.SWAPPING, self._context.p95_ms())
            self._host.swap(preloaded, lambda: self._store.swap(model, probation=True))
        except BundleError as error:
            raise CandidateRejectedError(str(error)) from error
        except LabelOptionError as error:
            if self.known:
                self.known = replace(self.known, unsuited_reason=str(error))
            raise NotApplicableError(f"it does not fit the settings of this device: {error}") from error
        self.report(UpdateState.SWAPPED)

    # The journal and the reports

    def report(self, state: UpdateState, reason: str | None = None) -> None:
        """Report a step, with what is known about the candidate; a retry publishes no step again."""
        step = UpdateStep(state, self.version, self._sha256, reason)
        if (self.offer.hash, state) in self._context.reported:
            self._host.report_status(lambda status: status.follow(step))
        else:
            self._reported.append((self.offer.hash, state))
            self._host.report_step(step)

    def note_failure(self) -> None:
        """Remember the reported steps, so that a retry does not publish them again."""
        self._context.reported.difference_update(
            [each for each in self._context.reported if each[0] != self.offer.hash]
        )
        self._context.reported.update(self._reported)

    def entry(self, step: UpdateState, reason: str | None = None) -> JournalEntry:
        """Return a journal entry about the candidate."""
        return JournalEntry(step, self.offer.hash, self.version, self._sha256, reason=reason, requested=self.requested)

    def _begin_step(self, state: UpdateState) -> None:
        self._raise_if_stopping()
        self._journal.write(self.entry(state))
        self.report(state)

    def _begin_dangerous_step(self, step: UpdateState, old_p95_ms: float | None = None) -> None:
        """Begin a step in which a bad model may end this process, and count the attempt."""
        self._raise_if_stopping()
        tries = self._tries + 1
        if tries > MAX_TRIES:
            raise CandidateRejectedError(f"the program did not survive the step {step} {self._tries} times in a row")
        self._journal.write(replace(self.entry(step), tries=tries, boot=boot_id(), old_p95_ms=old_p95_ms))
        if step is UpdateState.PROBING:
            self.report(step)

    def _raise_if_stopping(self) -> None:
        if self._context.is_stopping():
            raise ShutdownError(_STOPPING)


def link_offer(store: Store, offer: Offer, model: InstalledModel) -> None:
    """Record the hash, variant and experiment under which the active model is now offered.

    If another model has replaced `model` in the meantime, nothing is changed.
    """

    def link(state: StoreState) -> StoreState:
        if state.current is None or state.current.key != model.key:
            return state
        linked = replace(state.current, offer=offer.hash, variant=offer.variant, experiment=offer.experiment)
        return replace(state, current=linked)

    store.apply(link)


def _read(path: Path) -> Bundle:
    try:
        return read_bundle(path)
    except BundleError as error:
        raise CandidateRejectedError(_remove_folder(error, path)) from error


def _remove_folder(error: BundleError, path: Path) -> str:
    """Return the error without the bundle's folder, which means nothing to a reader of T/update."""
    return str(error).replace(f"{path.parent}/", "")
