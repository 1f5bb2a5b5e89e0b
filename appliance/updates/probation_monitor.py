"""Monitor the model on probation: the labeling thread records frames, and the updater's thread evaluates them.

probation.py has the arithmetic; resolution.py applies the outcome.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from appliance.errors import ApplianceError
from appliance.settings.schema import UpdateSettings
from appliance.updates.host import Host
from appliance.updates.journal import Journal, JournalEntry
from appliance.updates.probation import MIN_FRAMES, FrameTiming, Probation, Terms, compute_terms
from appliance.updates.resolution import Resolution, with_outcome
from appliance.updates.steps import UpdateState, UpdateStep
from appliance.updates.store.state import InstalledModel
from appliance.updates.store.store import Store
from appliance.updates.store.transitions import display_name

log = logging.getLogger("appliance.updates")

POLL_EVERY_S = 0.25
_RETRY_S = 5.0
_MAX_TIMES = 600
_MAX_UNREAD_FRAMES = 100_000


class ProbationMonitor:
    """Monitors at most one model on probation."""

    def __init__(
        self,
        settings: UpdateSettings,
        fps: float,
        store: Store,
        journal: Journal,
        resolution: Resolution,
        host: Host,
        clock: Callable[[], float],
    ):
        """Start with no model on probation.

        Args:
            settings: The update section, which has the terms.
            fps: Frames per second according to the settings.
            store: The models of this device.
            journal: Records the probation.
            resolution: Applies the outcome.
            host: The program that labels.
            clock: Returns monotonic time in seconds.
        """
        self._settings = settings
        self._fps = fps
        self._store = store
        self._journal = journal
        self._resolution = resolution
        self._host = host
        self._clock = clock
        self._frames: deque[FrameTiming] = deque(maxlen=_MAX_UNREAD_FRAMES)
        self._times_ms: deque[float] = deque(maxlen=_MAX_TIMES)
        self._watched: tuple[InstalledModel, Probation] | None = None
        self._old_p95_ms: float | None = None
        self._restored_p95_ms: float | None = None
        self._poll_s = POLL_EVERY_S

    @property
    def is_active(self) -> bool:
        """Whether a model is on probation."""
        return self._watched is not None

    @property
    def left_s(self) -> float | None:
        """The seconds with frames until the probation ends; None if no model is on probation."""
        if (watched := self._watched) is None:
            return None
        probation = watched[1]
        return max(0.0, probation.terms.duration_s - probation.elapsed_s)

    @property
    def poll_again_s(self) -> float | None:
        """The seconds until the next `poll`; None if no model is on probation."""
        return self._poll_s if self._watched else None

    def record_frame(self, inference_ms: float, error: str | None) -> bool:
        """Record a frame that was labeled, or that could not be labeled; called by the labeling thread.

        Returns:
            Whether to poll at once.
        """
        if error is None:
            self._times_ms.append(inference_ms)
        if self._watched is None:
            return False
        self._frames.append(FrameTiming(self._clock(), inference_ms, error))
        return error is not None

    def set_fps(self, fps: float) -> None:
        """Use a different frame rate; a current probation starts over with it."""
        self._fps = fps

    def p95_ms(self) -> float | None:
        """Return the 95th percentile of the active model's recent times per frame; None if there are too few."""
        times_ms = sorted(self._times_ms.copy())
        return times_ms[int(len(times_ms) * 0.95)] if len(times_ms) >= MIN_FRAMES else self._restored_p95_ms

    def begin(self, model: InstalledModel) -> None:
        """Start the probation of the store's current model; the journal has the previous model's time per frame."""
        entry = self._journal.entry
        old_p95_ms = entry.old_p95_ms if entry and entry.hash in (model.key, model.offer) else None
        self._old_p95_ms, self._restored_p95_ms = old_p95_ms, None
        terms = self._terms()
        self._clear_frames()
        self._watched = model, Probation(terms)
        try:
            self._journal.write(_probation_entry(model, old_p95_ms))
        except OSError as error:  # monitor it anyway; after a restart the store shows that it is on probation
            log.warning("the probation of %s cannot be written to the journal: %s", display_name(model), error)
        log.info(
            "%s is on probation for %g s; the limit is %.0f ms per frame",
            display_name(model),
            terms.duration_s,
            terms.limit_ms,
        )
        self._host.report_step(UpdateStep(UpdateState.PROBATION, model.version, model.sha256))

    def take_back(self, reason: str) -> bool:
        """Roll the model on probation back without refusing it, because the source no longer offers it.

        Returns:
            Whether a model was rolled back; False if none is on probation any more.

        Raises:
            StoreError, ModelError, OSError: The rollback failed; `poll` tries again.
        """
        self.poll()  # its probation may be over
        if self._watched is None:
            return False
        model, _ = self._watched
        entry = replace(with_outcome(self._entry(model), UpdateState.ROLLED_BACK, reason), withdrawn=True)
        self._clear_frames()
        self._resolution.rollback(entry)
        self._watched, self._restored_p95_ms = None, self._old_p95_ms
        return True

    def note_unchanged(self) -> None:
        """Record that what is offered is the model on probation, after an attempt to install the offer."""
        if self._watched is None:
            return
        model, _ = self._watched
        self._journal.write(_probation_entry(model, self._old_p95_ms))
        self._host.report_step(UpdateStep(UpdateState.PROBATION, model.version, model.sha256))

    def resume(self) -> float | None:
        """Start monitoring a model on probation whose update ended in an error right after the swap.

        Returns:
            The seconds until the next attempt; None if there is nothing to do.
        """
        if self._watched:
            return None
        try:
            state = self._store.read_state()
            if state.probation and state.current:
                log.warning("%s is on probation but was not being monitored; resuming", display_name(state.current))
                self._host.reload_current(lambda: None)  # the running model may be a different one
                self.begin(state.current)
        except Exception as error:  # noqa: BLE001 - no error here may stop the labeling
            log.warning("the model on probation cannot be monitored: %s; trying again in %g s", error, _RETRY_S)
            return _RETRY_S
        return None

    def poll(self) -> bool:
        """Evaluate the frames since the last poll, and apply an outcome; retry that less often after an error.

        Returns:
            Whether the probation ended.
        """
        if self._watched is None:
            return False
        model, probation = self._watched
        try:
            ended = self._finish(model) or self._evaluate(model, probation)
            self._poll_s = POLL_EVERY_S
        except (ApplianceError, OSError) as error:
            if self._poll_s == POLL_EVERY_S:
                log.error("the outcome of the probation cannot be applied: %s; trying again", error)
            self._poll_s = _RETRY_S
            return False
        if ended:
            self._watched = None
            self._frames.clear()
        return ended

    def _terms(self) -> Terms:
        return compute_terms(self._settings.probation_s, self._fps, self._settings.max_latency_ms, self._old_p95_ms)

    def _clear_frames(self) -> None:
        self._frames.clear()
        self._times_ms.clear()

    def _entry(self, model: InstalledModel) -> JournalEntry:
        entry = self._journal.entry
        return entry if entry and entry.hash in (model.key, model.offer) else _probation_entry(model)

    def _finish(self, model: InstalledModel) -> bool:
        """Apply an outcome that is known without the frames; return whether there was one."""
        entry = self._entry(model)
        if entry.step is UpdateState.ROLLED_BACK:  # decided earlier, but not completely applied
            self._resolution.rollback(entry)
            return True
        state = self._store.read_state()
        if state.current is None or state.current.key != model.key:
            if not self._store.rejection(model.key):  # a rollback reports itself
                self._host.report_step(
                    UpdateStep(UpdateState.ROLLED_BACK, model.version, model.sha256, "another model replaced it")
                )
            self._journal.write(None)
            return True
        if entry.step is UpdateState.COMMITTED:  # decided earlier, as above
            self._resolution.commit(entry)
            return True
        if not state.probation:
            reason = "the owner installed it during its probation"
            self._resolution.commit(with_outcome(entry, UpdateState.COMMITTED, reason))
            return True
        return False

    def _evaluate(self, model: InstalledModel, probation: Probation) -> bool:
        """Evaluate the new frames, and apply the outcome; return whether there is one."""
        if (terms := self._terms()) != probation.terms:
            log.info(
                "the probation of %s starts over; the limit is now %.0f ms per frame",
                display_name(model),
                terms.limit_ms,
            )
            probation = Probation(terms)
            self._watched = model, probation
            self._frames.clear()
        while self._frames:
            probation.record_frame(self._frames.popleft())
        reason = probation.failure
        if reason is None and (stuck := self._host.stuck_reason()):
            reason = f"it does not respond: {stuck}"
        if reason:
            self._clear_frames()
            self._resolution.rollback(with_outcome(self._entry(model), UpdateState.ROLLED_BACK, reason))
        elif probation.passed:
            self._resolution.commit(with_outcome(self._entry(model), UpdateState.COMMITTED))
        return bool(reason) or probation.passed


def _probation_entry(model: InstalledModel, old_p95_ms: float | None = None) -> JournalEntry:
    return JournalEntry(
        UpdateState.PROBATION, model.offer or model.key, model.version, model.sha256, old_p95_ms=old_p95_ms
    )
