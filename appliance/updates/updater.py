"""The update machine: asks the source, brings a newer model in, watches it prove itself, and takes it back where it fails.

    available → downloading → verifying → probing → swapped → probation → committed
                     └──────────┴───────────┴──→ refused | failed       └→ rolled_back

One thread does it all, one thing at a time; frames come in by `outcome`, orders by `check` and `install`. When and what to
ask is decided here, the way of one candidate in candidate.py, its probation in trial.py. What is under way
is on disk before it happens (journal.py and the store), so a kill at any point leaves a model that works, and the next
start finishes what was begun. Nothing that goes wrong here may end the labeling: errors wait and are tried again.
"""

import contextlib
import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceError, SourceChangedError, SourceError, SourceSettingsError, UpdateError
from appliance.labeling.probe import probe
from appliance.settings.schema import UpdateSettings
from appliance.updates.candidate import (
    Candidate,
    CandidateRejectedError,
    NotApplicableError,
    Probe,
    ShutdownError,
    adopt,
)
from appliance.updates.host import Host, RevertedModel, UpdateStatus, UpdateStep
from appliance.updates.journal import Journal
from appliance.updates.known_candidate import KnownCandidate
from appliance.updates.policy import UpdatePolicy
from appliance.updates.probation_monitor import ProbationMonitor
from appliance.updates.requests import RequestQueue, UpdateRequest
from appliance.updates.resolution import Resolution
from appliance.updates.schedule import Schedule
from appliance.updates.sources.source import Offer, Source, shown_version
from appliance.updates.store.store import Store
from appliance.updates.store.transitions import shown

log = logging.getLogger(__name__)

LATEST = "latest"
_STOPS = "the program stops"
_RECOVER_AGAIN_S = 5.0
# A set of files that is being put up while it is fetched is asked for again at once this often.
_MAX_CHANGES = 3


class Updater:
    """The machine. `run()` is its thread's whole life; every other method may be called from any thread."""

    def __init__(
        self,
        settings: UpdateSettings,
        fps: float,
        store: Store,
        state: Path,
        device: Host,
        open_source: Callable[[], Source],
        taken_back: RevertedModel | None = None,
        probe: Probe = probe,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ):
        """Args:
        settings: The section update. With the source `none` nobody is asked; a probation under way goes on.
        fps: Frames a second, as the settings have it: what a new model must keep up with.
        store: The models of this device.
        state: The state folder.
        device: The rest of the program.
        open_source: Opens the source; called on the machine's thread, since it imports much and may raise.
        taken_back: What this start of the program found it could not keep, to be told.
        probe: Tries a bundle out.
        clock: Monotonic time in seconds: no wrong clock can hold updates back.
        chance: A number from 0 to 1, by which many devices do not ask at one moment.
        """
        self._settings = settings
        self._store = store
        self._state = state
        self._device = device
        self._open_source = open_source
        self._taken_back = taken_back
        self._probe = probe
        self._schedule = Schedule(0 if settings.source == "none" else settings.interval_s, clock, chance)
        self._rules = UpdatePolicy(settings.max_bytes, settings.allow_downgrade)
        self._journal = Journal(state)
        self._verdicts = Resolution(self._journal, store, device)
        self._trial = ProbationMonitor(settings, fps, store, self._journal, self._verdicts, device, clock)
        self._source: Source | None = None
        self._orders = RequestQueue()
        self._learned: KnownCandidate | None = None
        self._announced: str | None = None
        self._latest: str | None = None
        self._said_failed: str | None = None
        self._said_nothing: str | None = None
        self._asked = False
        self._stopping = False

    # From other threads

    def check(self) -> Future[dict[str, Any]]:
        """Asks the source now; the future tells what is offered, and does not wait for the download."""
        return self._ask(UpdateRequest(None))

    def install(self, version: str) -> Future[dict[str, Any]]:
        """Takes what the source offers, though it was refused or install = "ask"; the future waits for the swap.

        Args:
            version: `latest`, or the version that is offered.
        """
        return self._ask(UpdateRequest(version))

    def outcome(self, inference_ms: float, trouble: str | None) -> None:
        """A frame was labeled, or could not be; from the labeling thread."""
        if self._trial.outcome(inference_ms, trouble):
            self._orders.wake()

    def use_fps(self, fps: float) -> None:
        """The settings were read again, and have another number of frames a second: what a new model must keep up with."""
        self._trial.use_fps(fps)

    def store_changed(self) -> None:
        """Somebody else changed which model runs."""
        self._orders.wake()

    def status(self) -> dict[str, Any]:
        """How updates are doing, for `appliance check`.

        Returns:
            `origin`: who is asked, None before the first time; `trouble`: why that did not go well the last time, or None;
            `asked`: whether somebody was asked since the start; `latest`: a newer version that is offered, or None;
            `passed_over`: why what is offered was not taken the last time, or None.
        """
        source = self._source
        return {
            "origin": source.origin if source else None,
            "trouble": self._said_failed,
            "asked": self._asked,
            "latest": self._latest,
            "passed_over": self._said_nothing,
        }

    def stop(self) -> None:
        """Makes `run` return soon; what is under way goes on at the next start."""
        self._stopping = True
        self._journal.stop()
        self._orders.wake()
        if source := self._source:
            source.close()

    # The thread

    def run(self) -> None:
        """The updater thread's whole life."""
        self._rest(None)
        while not self._stopping and (trouble := self._recover()):
            if order := self._orders.next(_RECOVER_AGAIN_S):
                order.fail(UpdateError(f"an earlier update must be finished first, and cannot be: {trouble}"))
        while not self._stopping:
            order = self._next_order()
            if self._stopping:
                break
            if self._rest(order):
                continue
            try:
                if self._trial.look():
                    self._schedule.rested()
                if order or self._schedule.due():
                    self._look(order)
            except ShutdownError:
                break
            except Exception as error:
                log.error("an update failed", exc_info=error)
                self._failed(f"a fault in the program, which the log tells ({type(error).__name__})", order)
        self._orders.refuse_all(ShutdownError(_STOPS))

    def _next_order(self) -> UpdateRequest | None:
        waits_s = (self._trial.resume(), self._schedule.wait_s(), self._trial.look_again_s)
        return self._orders.next(min((each for each in waits_s if each is not None), default=None))

    def _rest(self, order: UpdateRequest | None) -> bool:
        """Waits while no model can be delivered, and judges none meanwhile; returns whether that was so."""
        why = self._device.held()
        if why is None:
            return False
        if self._settings.source != "none":
            log.warning("update.source is not asked: %s", why)
        self._show(None)
        while not self._stopping and (why := self._device.held()):
            if order:
                order.fail(UpdateError(why))
            order = self._orders.next(None)
        if order:
            self._orders.put(order)
        self._schedule.rested()
        return True

    def _ask(self, order: UpdateRequest) -> Future[dict[str, Any]]:
        self._orders.put(order)
        if self._stopping:
            self._orders.refuse_all(ShutdownError(_STOPS))
        return order.future

    # What is offered

    def _look(self, order: UpdateRequest | None) -> None:
        """Asks the source, and takes what is newer."""
        offer = None
        try:
            for _ in range(_MAX_CHANGES):
                try:
                    offer = self._offered(order is not None)
                    self._consider(offer, order)
                    break
                except SourceChangedError as error:
                    log.info("%s; asking again", error)
            else:
                raise SourceError(f"what {self._source.origin} offers keeps changing while it is fetched")
        except ShutdownError as error:
            if order:
                order.fail(error)
            raise
        except (ApplianceError, OSError) as error:
            disk = (
                None
                if isinstance(error, ApplianceError)
                else f"{error.filename or self._state}: {error.strerror or error}"
            )
            self._failed(disk or str(error), order, offer, error)
        else:
            self._schedule.went_well()
            self._said_failed = None

    def _offered(self, asked: bool) -> Offer | None:
        self._asked = True
        if self._source is None:
            self._source = self._open_source()
            if self._stopping:
                self._source.close()
        return self._source.check(asked)

    def _consider(self, offer: Offer | None, order: UpdateRequest | None) -> None:
        """Whether an offer is taken now; what was asked is answered as soon as that is known."""
        current, wanted = self._store.state().current, order.version if order else None
        runs = bool(offer and current and current.offer == offer.hash)
        if offer and (runs or offer.version):
            self._verdicts.another(offer.hash, None if runs else offer.version)
        if offer is None or runs:
            if offer and (current.variant, current.experiment) != (offer.variant, offer.experiment):
                self._device.go_back(lambda: adopt(self._store, offer, current))
                log.info("the model that runs is now variant %s, experiment %s", offer.variant, offer.experiment)
            self._nothing_new(order, offer, "the source offers nothing" if offer is None else None)
            return
        version = shown_version(offer)
        if wanted and wanted not in (LATEST, version):
            raise UpdateError(f"the source offers {version}, not {wanted}")
        running = self._device.running()
        known = self._learned if self._learned and self._learned.hash == offer.hash else offer
        if why := self._rules.against(offer, known.version, known.name, running, current is None):
            if wanted:
                raise UpdateError(f"{version} is not taken: {why}")
            self._nothing_new(order, offer, why)
            return
        if self._trial.look_again_s:
            if wanted:
                raise UpdateError(f"{shown(current)} is on probation: wait for its end, or roll it back first")
            self._nothing_new(order, offer, f"{version} waits until the probation ends")
            return
        entry = self._journal.entry
        asked = bool(wanted) or bool(entry and entry.hash == offer.hash and entry.asked)
        if (refusal := self._store.refusal(offer.hash)) and not asked:
            self._nothing_new(order, offer, f"{version} was refused: {refusal.reason}")
            return
        if known is self._learned and not asked and (why := known.why_unsuited(offer, self._store, self._device)):
            self._nothing_new(order, offer, f"{version} does not suit the settings of this device: {why}")
            return
        self._announce(offer, version)
        if self._settings.install == "ask" and not asked:
            self._show(version)
            if order:
                order.done(_found(offer, taken=False) | {"current": False})
            return
        if order and not wanted:
            order.done(_found(offer, taken=True))
        self._bring(offer, asked, order)

    def _nothing_new(self, order: UpdateRequest | None, offer: Offer | None, why: str | None) -> None:
        if why and why != self._said_nothing:
            log.info("no newer model: %s", why)
        self._said_nothing = why
        self._show(None)
        if not self._trial.look_again_s:
            self._journal.write(None)
        if order and order.version:
            raise UpdateError(why or f"{shown_version(offer)} is installed already")
        if order:
            order.done(_found(offer, taken=False, reason=why))

    def _announce(self, offer: Offer, version: str) -> None:
        if self._announced != offer.hash:
            self._announced = offer.hash
            self._device.told(UpdateStep("available", version, offer.sha256))

    def _show(self, latest: str | None) -> None:
        self._latest = latest
        self._device.shows(UpdateStatus(latest))

    # A candidate

    def _bring(self, offer: Offer, asked: bool, order: UpdateRequest | None) -> None:
        candidate = Candidate(
            offer, asked, self._source, self._store, self._journal, self._device, self._probe, self._rules,
            self._state / "downloads", self._trial.p95_ms, lambda: self._stopping,
        )  # fmt: skip
        try:
            slot = candidate.course()
        except (CandidateRejectedError, NotApplicableError) as error:
            if isinstance(error, NotApplicableError):
                self._learned = candidate.learned
                candidate.tell("failed", str(error))
                self._journal.write(None)
            else:
                self._verdicts.refuse(candidate.entry("refused", reason=str(error)))
            candidate.clear()
            self._show(None)
            if order:
                how = "is not taken" if isinstance(error, NotApplicableError) else "was refused"
                order.fail(UpdateError(f"{candidate.shown_version} {how}: {error}"))
            return
        except Exception as error:
            if not isinstance(error, ShutdownError):
                # The way begins anew at the next try, and what is whole by then is not fetched again.
                with contextlib.suppress(OSError):
                    self._journal.write(candidate.entry("available"))
            raise
        if slot is None:
            candidate.tell("committed", "the same model is installed already")
            self._journal.write(None)
        else:
            self._trial.begin(slot)
        self._show(None)
        if order:
            order.done(_found(offer, taken=True))

    def _failed(
        self, reason: str, order: UpdateRequest | None, offer: Offer | None = None, error: BaseException | None = None
    ) -> None:
        """Something that is tried again: said once, until it changes."""
        if order and isinstance(error, UpdateError) and not isinstance(error, SourceError | SourceSettingsError):
            order.fail(error)
            return
        entry = (
            self._journal.entry if offer and self._journal.entry and self._journal.entry.hash == offer.hash else None
        )
        after_s = self._schedule.failed(getattr(error, "retry_after_s", None), entry is not None)
        self._show(self._latest)
        if reason != self._said_failed or entry:
            self._said_failed = reason
            when = f"tried again in {after_s:.0f} s" if after_s is not None else "tried again on command"
            log.warning("no update: %s (%s)", reason, when)
            self._device.told(
                UpdateStep("failed", entry.version if entry else None, entry.sha256 if entry else None, reason)
            )
        if order:
            order.fail(error if isinstance(error, ApplianceError) else UpdateError(reason))

    # After a start

    def _recover(self) -> str | None:
        """Finishes what the last process left undone; why that is not possible now, or None."""
        try:
            taken_back, self._taken_back = self._taken_back, None
            if slot := self._verdicts.recover(taken_back):
                self._trial.begin(slot)
            elif self._journal.entry and self._settings.source != "none":
                self._schedule.soon()  # an update was under way
        except (ApplianceError, OSError) as error:
            if str(error) != self._said_failed:
                self._said_failed = str(error)
                log.warning("what an update left undone cannot be finished, and is tried again: %s", error)
            return str(error)
        self._said_failed = None
        return None


def _found(offer: Offer | None, taken: bool, reason: str | None = None) -> dict[str, Any]:
    """The answer to an order: what is offered, whether it is (being) put in, and why not; `current`: it runs already."""
    offered = shown_version(offer) if offer else None
    return {
        "offered": offered,
        "taken": taken,
        "current": bool(offer) and not taken and reason is None,
        "reason": reason,
    }
