"""The model on probation: frames are collected from the labeling thread, judged on the updater's, and acted on.

The arithmetic is probation.py's; carrying a verdict out is verdicts.py's.
"""

import logging
from collections import deque
from collections.abc import Callable

from appliance.errors import ApplianceError
from appliance.settings.schema import UpdateSettings
from appliance.updates.host import Host, UpdateStep
from appliance.updates.journal import Journal, JournalEntry
from appliance.updates.probation import MIN_FRAMES, Probation, Terms, terms
from appliance.updates.resolution import Resolution, verdict
from appliance.updates.store.state import InstalledModel
from appliance.updates.store.store import Store
from appliance.updates.store.transitions import shown

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
_AGAIN_S = 5.0
_TIMES = 600


class ProbationMonitor:
    """At most one model on probation."""

    def __init__(
        self,
        settings: UpdateSettings,
        fps: float,
        store: Store,
        journal: Journal,
        verdicts: Resolution,
        device: Host,
        clock: Callable[[], float],
    ):
        """Args:
        settings: Its terms.
        fps: Frames a second, as the settings have it.
        store, journal, verdicts, device: Where the outcome goes.
        clock: Monotonic time in seconds.
        """
        self._settings = settings
        self._fps = fps
        self._store = store
        self._journal = journal
        self._verdicts = verdicts
        self._device = device
        self._clock = clock
        self._outcomes: deque[tuple[float, float, str | None]] = deque(maxlen=100_000)
        self._times_ms: deque[float] = deque(maxlen=_TIMES)
        self._running: tuple[InstalledModel, Probation] | None = None
        self._old_p95_ms: float | None = None
        self._look_s = LOOK_EVERY_S

    @property
    def look_again_s(self) -> float | None:
        """In how many seconds to `look` again; None while no model is on probation."""
        return self._look_s if self._running else None

    def outcome(self, inference_ms: float, trouble: str | None) -> bool:
        """A frame was labeled, or could not be; from the labeling thread. Returns whether to look at once."""
        if trouble is None:
            self._times_ms.append(inference_ms)
        if self._running is None:
            return False
        self._outcomes.append((self._clock(), inference_ms, trouble))
        return trouble is not None

    def use_fps(self, fps: float) -> None:
        """Another number of frames a second from now on; a probation under way begins anew with it."""
        self._fps = fps

    def p95_ms(self) -> float | None:
        """What the running model took for a frame of late, None where too few were seen to tell."""
        times_ms = sorted(self._times_ms.copy())
        return times_ms[int(len(times_ms) * 0.95)] if len(times_ms) >= MIN_FRAMES else None

    def begin(self, slot: InstalledModel) -> None:
        """The store's current model, on probation from now on. The journal says what the one before took for a frame."""
        entry = self._journal.entry
        old_p95_ms = entry.old_p95_ms if entry and entry.hash in (slot.key, slot.offer) else None
        self._old_p95_ms = old_p95_ms
        limits = self._terms()
        self._forget()
        self._running = slot, Probation(limits)
        try:
            self._journal.write(
                JournalEntry("probation", slot.offer or slot.key, slot.version, slot.sha256, old_p95_ms=old_p95_ms)
            )
        except OSError as error:  # it is watched all the same; the store says after a restart that it is on probation
            log.warning("that %s is on probation cannot be written down: %s", shown(slot), error)
        log.info(
            "%s is on probation for %g s; a frame may take %.0f ms", shown(slot), limits.duration_s, limits.limit_ms
        )
        self._device.told(UpdateStep("probation", slot.version, slot.sha256))

    def resume(self) -> float | None:
        """Begins the probation of a model that nobody watches: the disk, or a fault, ended its way right after the swap.

        Returns:
            In how many seconds to try again; None where nothing is left to do.
        """
        if self._running:
            return None
        try:
            state = self._store.state()
            if state.probation and state.current:
                log.warning("%s is on probation, and was not watched", shown(state.current))
                self._device.go_back(lambda: None)  # whether it labels is not sure
                self.begin(state.current)
        except Exception as error:  # noqa: BLE001 - the labeling must go on whatever happens here
            log.warning("a model on probation cannot be watched, which is tried again: %s", error)
            return _AGAIN_S
        return None

    def look(self) -> bool:
        """Judges the frames since the last look. What the disk refuses is tried again, less often.

        Returns:
            Whether the probation came to its end now.
        """
        if self._running is None:
            return False
        try:
            ended = self._look(*self._running)
            self._look_s = LOOK_EVERY_S
        except (ApplianceError, OSError) as error:
            if self._look_s == LOOK_EVERY_S:
                log.error("the end of the probation cannot be carried out, and is tried again: %s", error)
            self._look_s = _AGAIN_S
            return False
        if ended:
            self._running = None
            self._outcomes.clear()
        return ended

    def _terms(self) -> Terms:
        return terms(self._settings.probation_s, self._fps, self._settings.max_latency_ms, self._old_p95_ms)

    def _forget(self) -> None:
        self._outcomes.clear()
        self._times_ms.clear()

    def _look(self, slot: InstalledModel, watched: Probation) -> bool:
        entry = self._journal.entry
        if entry is None or entry.hash not in (slot.key, slot.offer):
            entry = JournalEntry("probation", slot.offer or slot.key, slot.version, slot.sha256)
        if entry.step == "rolled_back":  # judged already, and not all of it could be carried out
            self._verdicts.take_back(entry)
            return True
        state = self._store.state()
        if entry.step == "committed" and state.current and state.current.key == slot.key:
            self._verdicts.commit(entry)
            return True
        if state.current and state.current.key == slot.key and not state.probation:
            self._verdicts.commit(verdict(entry, "committed", "its owner put it in place during its probation"))
            return True
        if state.current is None or state.current.key != slot.key:
            if not self._store.refusal(slot.key):  # who rolls back tells it
                self._device.told(
                    UpdateStep("rolled_back", slot.version, slot.sha256, "another model was put in its place")
                )
            self._journal.write(None)
            return True
        if (limits := self._terms()) != watched.terms:
            log.info("the probation of %s begins anew: a frame may take %.0f ms now", shown(slot), limits.limit_ms)
            self._running = slot, (watched := Probation(limits))
            self._outcomes.clear()
        while self._outcomes:
            watched.frame(*self._outcomes.popleft())
        reason = watched.failure
        if reason is None and (stuck := self._device.stuck()):
            reason = f"it does not answer: {stuck}"
        if reason:
            self._forget()
            self._verdicts.take_back(verdict(entry, "rolled_back", reason))
        elif watched.passed:
            self._verdicts.commit(verdict(entry, "committed"))
        return bool(reason) or watched.passed
