"""The updater: checks the source, installs a newer model, monitors its probation, and rolls back if it fails.

    available → downloading → verifying → probing → swapped → probation → committed
                     └──────────┴───────────┴──→ refused | failed       └→ rolled_back

One thread does everything, one step at a time; frames arrive through `record_frame`, requests through `check` and
`install`. policy.py decides about an offer, candidate.py installs it, and probation_monitor.py monitors the new model.
Every step is recorded on disk before it happens (by journal.py and the store), so a kill at any time leaves a model
that works, and the next start finishes what was begun. No error here may stop the labeling; errors are retried.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from appliance.errors import (
    ApplianceError,
    SourceChangedError,
    SourceError,
    SourceSettingsError,
    UpdateError,
)
from appliance.settings.schema import UpdateSettings
from appliance.system.leftover_files import remove_leftovers
from appliance.updates.candidate import CandidateContext, ShutdownError, WindowClosedError
from appliance.updates.failures import FaultLog, describe_failure
from appliance.updates.host import Host
from appliance.updates.installer import Installer
from appliance.updates.journal import Journal
from appliance.updates.policy import OfferAction, UpdatePolicy, decide
from appliance.updates.probation_monitor import ProbationMonitor
from appliance.updates.reporter import UpdateReporter
from appliance.updates.requests import RequestQueue, UpdateRequest
from appliance.updates.resolution import Resolution
from appliance.updates.schedule import Schedule
from appliance.updates.situation import add_window, read_situation
from appliance.updates.sources.source import Offer, Source
from appliance.updates.store.state import RevertedModel
from appliance.updates.store.store import Store
from appliance.updates.take_back import TakeBack
from appliance.updates.tools import UpdaterTools
from appliance.updates.window import parse_window

log = logging.getLogger("appliance.updates")

_STOPPING = "the program is stopping"
_RECOVER_AGAIN_S = 5.0
# Every so many checks, the source asks unconditionally.
_FORGET_EVERY = 24
_WINDOW_POLL_S = 30.0
# How many times an offer that changes during its download is checked again at once.
_MAX_CHANGES = 3


class Updater:
    """The updater: `run()` is its thread; every other method may be called from any thread."""

    def __init__(
        self,
        settings: UpdateSettings,
        fps: float,
        store: Store,
        state: Path,
        host: Host,
        open_source: Callable[[], Source],
        reverted: RevertedModel | None = None,
        tools: UpdaterTools | None = None,
    ):
        """Read the journal, and remove what killed processes left; nothing else happens before `run`.

        Args:
            settings: The update section. With the source `none` nothing is checked, but a current probation continues.
            fps: Frames per second according to the settings; a new model must keep up with them.
            store: The models of this device.
            state: The state folder.
            host: The program that labels.
            open_source: Opens the source; called on the updater's thread, because it imports slowly and may raise.
            reverted: A model that this start of the program could not keep, to be reported; None if there is none.
            tools: What tests replace; None for the defaults.
        """
        tools = tools or UpdaterTools()
        remove_leftovers(state)  # here, because no other thread writes there yet
        self._settings = settings
        self._store = store
        self._state = state
        self._host = host
        self._open_source = open_source
        self._reverted = reverted
        self._stopping = threading.Event()
        self._schedule = Schedule(0 if settings.source == "none" else settings.interval_s, tools.clock, tools.random)
        self._policy = UpdatePolicy(settings.max_bytes, settings.allow_downgrade, settings.install == "ask")
        self._journal = Journal(state)
        self._reporter = UpdateReporter(host, lambda: self._monitor.is_active)
        self._resolution = Resolution(self._journal, store, host)
        self._monitor = ProbationMonitor(settings, fps, store, self._journal, self._resolution, host, tools.clock)
        self._take_back = TakeBack(store, self._monitor, self._reporter)
        context = CandidateContext(
            store, self._journal, host, tools.probe, self._policy, state / "downloads",
            self._monitor.p95_ms, self._stopping.is_set, self._take_back.run, self._window_obstacle, clock=tools.clock,
        )  # fmt: skip
        self._installer = Installer(context, self._resolution, self._monitor)
        self._source: Source | None = None
        self._requests = RequestQueue()
        self._window = parse_window(settings.window)
        self._local_time = tools.local_time
        self._is_waiting = False
        self._checks = 0
        self._faults = FaultLog()
        self._has_checked = False

    # Called by other threads

    def check(self) -> Future[dict[str, Any]]:
        """Check the source now; the future receives the offer without waiting for the download."""
        return self._put(UpdateRequest(None))

    def install(self, version: str) -> Future[dict[str, Any]]:
        """Install the offer even if it was rejected or update.install is "ask"; the future waits for the swap.

        Args:
            version: `latest`, or the offered version.
        """
        return self._put(UpdateRequest(version))

    def record_frame(self, inference_ms: float, error: str | None) -> None:
        """Record a frame that was labeled, or that could not be labeled; called by the labeling thread."""
        if self._monitor.record_frame(inference_ms, error):
            self._requests.wake()

    @property
    def probation_left_s(self) -> float | None:
        """The seconds with frames until the probation ends; None if no model is on probation."""
        return self._monitor.left_s

    def set_fps(self, fps: float) -> None:
        """Use a different frame rate after the settings were reloaded."""
        self._monitor.set_fps(fps)

    def set_interval(self, interval_s: float) -> None:
        """Check the source at another interval from now on; 0 checks only on demand."""
        if self._settings.source != "none":
            self._schedule.set_interval(interval_s)
            self._requests.wake()

    def notify_store_changed(self) -> None:
        """Read the store again, because another command changed the active model."""
        self._requests.wake()

    def status(self) -> dict[str, Any]:
        """Return the update status, for `appliance check`.

        Returns:
            `origin`: the source, or None before the first check; `trouble`: why the last check failed, or None;
            `asked`: whether the source has been checked since the start; `latest`: the newer version that is offered,
            or None; `passed_over`: why the last offer was not installed, or None.
        """
        source = self._source
        return {
            "origin": source.origin if source else None,
            "trouble": self._reporter.failure,
            "asked": self._has_checked,
            "latest": self._reporter.latest,
            "passed_over": self._reporter.passed_over,
        }

    def stop(self) -> None:
        """Make `run` return soon; the next start continues a current update."""
        self._stopping.set()
        self._journal.stop()
        self._requests.wake()
        if source := self._source:
            source.close()

    # The thread

    def run(self) -> None:
        """Run the updater until `stop`."""
        self._wait_for_delivery(None)
        while not self._stopping.is_set() and (error := self._recover()):
            if request := self._requests.next(_RECOVER_AGAIN_S):
                request.fail(UpdateError(f"an interrupted update must be finished first, but this failed: {error}"))
        while not self._stopping.is_set():
            request = self._requests.next(self._next_wait_s())
            if self._stopping.is_set():
                if request:
                    request.fail(ShutdownError(_STOPPING))
                break
            if not self._wait_for_delivery(request):
                self._run_once(request)
        self._requests.fail_all(ShutdownError(_STOPPING))

    def _run_once(self, request: UpdateRequest | None) -> None:
        """Evaluate the probation, and check the source if that is due or requested."""
        try:
            if self._monitor.poll():
                self._schedule.resume()
            self._schedule.watch_probation(self._monitor.is_active)
            if self._is_waiting and not self._reporter.failure and not self._window_obstacle():
                self._schedule.check_now()
            if request or self._schedule.is_due:
                self._check_source(request)
        except ShutdownError:
            pass  # `run` ends
        except Exception as error:  # noqa: BLE001 - no error here may stop the labeling
            self._faults.report(error)
            self._record_failure(error, request, None)

    def _next_wait_s(self) -> float | None:
        window_s = _WINDOW_POLL_S if self._is_waiting else None  # the wall clock may be set in the meantime
        waits_s = (self._monitor.resume(), self._schedule.wait_s, self._monitor.poll_again_s, window_s)
        return min((each for each in waits_s if each is not None), default=None)

    def _wait_for_delivery(self, request: UpdateRequest | None) -> bool:
        """Wait while no model can be delivered; return whether there was a wait. Probation pauses in the meantime."""
        reason = self._host.delivery_blocked_reason()
        if reason is None:
            return False
        if self._settings.source != "none":
            log.warning("update.source is not checked: %s", reason)
        self._reporter.report_latest(None)
        while not self._stopping.is_set() and (reason := self._host.delivery_blocked_reason()):
            if request:
                request.fail(UpdateError(reason))
            request = self._requests.next(None)
        if request:
            self._requests.put(request)
        self._schedule.resume()
        return True

    def _put(self, request: UpdateRequest) -> Future[dict[str, Any]]:
        self._requests.put(request)
        if self._stopping.is_set():
            self._requests.fail_all(ShutdownError(_STOPPING))
        return request.future

    # One offer

    def _check_source(self, request: UpdateRequest | None) -> None:
        """Check the source and handle its offer; schedule the next check."""
        offer = None
        try:
            for _ in range(_MAX_CHANGES):
                try:
                    source = self._get_source()
                    if request is None and self._schedule.is_brief and source.is_unchanged():
                        self._schedule.record_brief_success()
                        return
                    if request or self._checks % _FORGET_EVERY == _FORGET_EVERY - 1:
                        source.forget()
                    self._checks += request is None
                    offer = self._take_back.check(source, requested=request is not None)
                    self._handle_offer(source, offer, request)
                    break
                except SourceChangedError as error:
                    log.info("%s; checking again", error)
            else:
                raise SourceError(f"the offer of {source.origin} keeps changing during the download")
        except ShutdownError as error:
            if request:
                request.fail(error)
            raise
        except WindowClosedError as error:
            self._record_wait(request, error)
        except (ApplianceError, OSError) as error:
            self._record_failure(error, request, offer)
        else:
            self._schedule.record_success()
            self._reporter.clear_failure()

    def _handle_offer(self, source: Source, offer: Offer | None, request: UpdateRequest | None) -> None:
        """Decide about an offer, report the decision, carry it out, and answer the request, if any."""
        if (taken_back := self._take_back.run_if_withdrawn(source, offer)) and request:
            request.taken_back = taken_back
        situation = read_situation(
            offer, request.version if request else None, self._installer.known, self._monitor.is_active,
            self._policy, self._store, self._journal, self._host,
        )  # fmt: skip
        situation = add_window(situation, offer, self._store, self._window_obstacle())
        decision = decide(offer, situation, self._policy)
        self._is_waiting = decision.action is OfferAction.HOLD
        self._resolution.forget_other_rejections(offer, runs=decision.action is OfferAction.RUNS)
        if offer and situation.current and decision.relink:
            self._installer.relink(offer, situation.current)
        self._reporter.report_decision(decision, offer)
        if decision.ends_update and not situation.on_probation:
            self._journal.write(None)
        refusal = None
        if offer and decision.action is OfferAction.TAKE:
            if request and not request.version:
                request.answer(decision, offer)  # a check does not wait for the download
            refusal = self._installer.install(offer, decision.requested, source)
            self._reporter.record_installation()
        if request:
            request.answer(decision, offer, refusal)

    def _window_obstacle(self) -> str | None:
        return self._window.find_obstacle(self._local_time()) if self._window else None

    def _record_wait(self, request: UpdateRequest | None, error: WindowClosedError) -> None:
        """Report that a tested model waits for update.window, and answer the request."""
        self._is_waiting = True
        self._reporter.report_wait(self._journal.entry, str(error))
        self._schedule.record_success()
        self._reporter.clear_failure()
        if request:
            request.fail(error)

    def _get_source(self) -> Source:
        self._has_checked = True
        if self._source is None:
            self._source = self._open_source()
            if self._stopping.is_set():
                self._source.close()
        return self._source

    def _record_failure(self, error: Exception, request: UpdateRequest | None, offer: Offer | None) -> None:
        """Schedule another attempt and report the failure; if only a request cannot be met, only fail the request."""
        if request and isinstance(error, UpdateError) and not isinstance(error, SourceError | SourceSettingsError):
            request.fail(error)
            return
        if self._source:
            self._source.forget()
        entry = self._journal.entry
        if entry and (offer is None or entry.hash != offer.hash):
            entry = None
        is_under_way = entry is not None or self._is_waiting
        after_s = self._schedule.record_failure(getattr(error, "retry_after_s", None), is_under_way)
        self._reporter.report_failure(describe_failure(error), entry, after_s)
        if request:
            request.fail(error if isinstance(error, ApplianceError) else UpdateError(describe_failure(error)))

    # After a start

    def _recover(self) -> str | None:
        """Finish what the last process left undone; return why that is not possible now, or None if it is done."""
        try:
            reverted, self._reverted = self._reverted, None
            if model := self._resolution.recover(reverted):
                self._monitor.begin(model)
            elif self._journal.entry and self._settings.source != "none":
                self._schedule.check_now()  # an update was in progress
        except (ApplianceError, OSError) as error:
            self._reporter.report_unfinished(str(error))
            return str(error)
        self._reporter.clear_failure()
        return None
