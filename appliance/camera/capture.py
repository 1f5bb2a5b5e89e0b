"""The capture thread: keeps one camera open and puts its newest frame where the labeler finds it.

A camera is never repaired. Whatever goes wrong with it, also what nobody foresaw, it is closed and a new one is
opened, at once after a long good run and with growing pauses otherwise; so a camera that is absent, busy or silent
is a state of the program and never its end. A state is told once when it begins, not at each try.

Always: at most one camera is open, and only this thread touches it; a frame is not copied here; each call into a
camera is announced to the watchdog; stop() and set_running() cut every pause short.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from appliance.camera.source import Camera
from appliance.errors import ApplianceError, CameraEndedError, CameraError
from appliance.imaging.frame import Frame
from appliance.imaging.frame_slot import FrameSlot
from appliance.system.threads import Heartbeat

log = logging.getLogger(__name__)

T = TypeVar("T")

CALL_LIMIT_S = 30.0  # a call into a camera that takes longer hangs in native code: the watchdog's case
FIRST_PAUSE_S = 1.0  # between two tries; doubled each time
LONGEST_PAUSE_S = 60.0
STEADY_S = 10.0  # frames for so long are a good run: the pauses begin anew, and the next try comes at once
MOST_LINES = 16  # said about one outage, for a camera that words its trouble differently at each try


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How the camera is.

    Attributes:
        state: opening, streaming, absent, busy, stalled, ended or off.
        restarts: How often frames came back after they had been lost.
        description: What the camera says it is, the last time it was open; empty before.
        reason: The sentence that goes with absent, busy, stalled and ended.
    """

    state: str = "opening"
    restarts: int = 0
    description: str = ""
    reason: str | None = None


class Clock:
    """The time, and waiting that an order cuts short. Tests bring one whose time passes by itself."""

    def time_s(self) -> float:
        """Seconds since 1970 UTC."""
        return time.time()

    def monotonic_s(self) -> float:
        """Seconds on a clock that nobody sets."""
        return time.monotonic()

    def wait(self, order: threading.Event, timeout_s: float | None) -> None:
        """Returns when `order` is set, or after `timeout_s` seconds (None: not before the order)."""
        order.wait(timeout_s)


class _Fault(Exception):
    """A call into the camera failed; carries the state that follows and the sentence for people."""

    def __init__(self, state: str, reason: str):
        super().__init__(reason)
        self.state = state
        self.reason = reason


class Capture:
    """The life of the capture thread: `run()` is its work, everything else may be called from any thread."""

    def __init__(
        self,
        open_camera: Callable[[], Camera],
        fps: float,
        slot: FrameSlot,
        on_change: Callable[[CameraStatus], None],
        *,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ):
        """Prepares the thread; nothing is opened yet.

        Args:
            open_camera: Opens the camera that the settings name; any exception means "not now".
            fps: Frames a second at the most.
            slot: Where each frame goes.
            on_change: Told each new status, on the capture thread; must not block.
            clock: The time; the machine's own by default.
            jitter: A number from 0 to 1 that spreads the tries of many devices.
        """
        self.pulse = Heartbeat("capture")
        self.status = CameraStatus()
        self.last_frame_s: float | None = None
        self._open_camera = open_camera
        self._period_s = 1 / fps
        self._slot = slot
        self._on_change = on_change
        self._clock = clock or Clock()
        self._jitter = jitter

        self._lock = threading.Lock()
        self._order = threading.Event()  # set whenever one of the next three changes
        self._orders = 0
        self._wanted = True
        self._stopping = False

        self._camera: Camera | None = None
        self._dropped_by_closed = 0
        self._frames = 0
        self._pause_s = FIRST_PAUSE_S  # before the next try
        self._lost_s: float | None = None  # since when there are no frames, though there should be
        self._said: set[str] = set()  # about this outage

    @property
    def dropped(self) -> int:
        """Frames that nobody labeled: replaced in the slot, or in the camera before they were read."""
        with self._lock:
            return self._slot.dropped + self._dropped_by_closed + (self._camera.dropped if self._camera else 0)

    def stop(self) -> None:
        """Makes run() close the camera and return, at once unless a call into the camera is under way."""
        with self._lock:
            self._stopping = True
            self._order.set()

    def set_running(self, running: bool) -> None:
        """False closes the camera and gives it free (state "off"); True opens it again."""
        with self._lock:
            if running != self._wanted:
                self._wanted = running
                self._orders += 1
                self._order.set()

    def use_camera(self, open_camera: Callable[[], Camera], fps: float) -> None:
        """Another camera, or the same one asked otherwise: the one that is open is closed, and this one opened."""
        with self._lock:
            self._open_camera = open_camera
            self._period_s = 1 / fps
            self._orders += 1
            self._order.set()

    def run(self) -> None:
        """Captures until stop()."""
        while True:
            with self._lock:
                if self._stopping:
                    return
                wanted, orders = self._wanted, self._orders
            if wanted:
                self._begin_anew("opening")
                self._capture_until(orders)
            else:
                log.info("camera: off")
                self._begin_anew("off")
                self._wait(None, orders)

    def _begin_anew(self, state: str) -> None:
        self._pause_s, self._lost_s = FIRST_PAUSE_S, None
        self._said.clear()
        self._become(replace(self.status, state=state, reason=None))

    def _capture_until(self, orders: int) -> None:
        """One camera after the other, until an order comes."""
        while not self._ordered_since(orders):
            try:
                self._use_camera(orders)
                return
            except CameraEndedError as end:
                log.info("camera: ended: %s", end)
                self._become(replace(self.status, state="ended", reason=str(end)))
                self._wait(None, orders)
                return
            except _Fault as fault:
                self._report(fault)
            # Never the whole minute, so that the pause is over before what the watchdog was told.
            with self.pulse.within(LONGEST_PAUSE_S, "the pause before the camera is opened again"):
                self._wait(self._pause_s * (0.75 + 0.2 * self._jitter()), orders)
            self._pause_s = min(max(FIRST_PAUSE_S, 2 * self._pause_s), LONGEST_PAUSE_S)

    def _use_camera(self, orders: int) -> None:
        """Opens a camera and passes its frames on until an order comes; closes it in every case.

        Raises:
            _Fault: The camera failed.
            CameraEndedError: The recording is over.
        """
        camera = self._call("opening the camera", "absent", self._open_camera)
        with self._lock:
            self._camera = camera
        began_s = self._clock.monotonic_s()
        try:
            self._pass_frames_on(camera, orders)
        finally:
            if self._lost_s is None and self._clock.monotonic_s() - began_s >= STEADY_S:
                self._pause_s = 0.0
            self._close(camera)

    def _pass_frames_on(self, camera: Camera, orders: int) -> None:
        # The moments at which a frame is due lie on a grid, so that the rate is right on average although reading
        # takes its time; what was missed is not caught up. A live camera is read only when a frame is due and then
        # gives its newest, so nothing old is ever waiting here.
        due_s = self._clock.monotonic_s()
        while not self._ordered_since(orders):
            ahead_s = due_s - self._clock.monotonic_s()
            if ahead_s > 0:
                self._wait(ahead_s, orders)
                continue
            pixels = self._call("reading a frame", "stalled", camera.read)
            now_s = self._clock.monotonic_s()
            due_s = max(due_s + self._period_s, now_s)
            if self._ordered_since(orders):
                return
            self._frames += 1
            self.last_frame_s = now_s
            self._slot.put(Frame(pixels, self._clock.time_s(), now_s, self._frames))
            if self.status.state != "streaming":
                self._report_frames(camera.description, now_s)

    def _close(self, camera: Camera) -> None:
        with self._lock:
            self._dropped_by_closed += camera.dropped
            self._camera = None
        try:
            self._call("closing the camera", "absent", camera.close)
        except (_Fault, CameraEndedError) as error:
            self._say(f"camera: it could not be closed: {error}")

    def _call(self, doing: str, state: str, call: Callable[[], T]) -> T:
        """A call into a camera, watched; whatever it raises becomes a _Fault, with `state` where it names none."""
        try:
            with self.pulse.within(CALL_LIMIT_S, doing):
                return call()
        except CameraEndedError:
            raise
        except CameraError as error:
            raise _Fault(error.state, str(error)) from error
        except ApplianceError as error:  # a setting that the camera cannot follow: its sentence says what to do
            raise _Fault(state, str(error)) from error
        except Exception as error:
            log.debug("camera: an unforeseen error in %s", doing, exc_info=error)
            raise _Fault(state, f"{doing} failed with {type(error).__name__}: {error}") from error

    def _report(self, fault: _Fault) -> None:
        if self._lost_s is None:
            streaming = self.status.state == "streaming"
            self._lost_s = self.last_frame_s if streaming else self._clock.monotonic_s()
        again = f"trying again, with up to {LONGEST_PAUSE_S:g} s between tries"
        self._say(f"camera: {fault.state}: {fault.reason.rstrip('.')}; {again}")
        self._become(replace(self.status, state=fault.state, reason=fault.reason))

    def _report_frames(self, description: str, now_s: float) -> None:
        status = replace(self.status, state="streaming", description=description, reason=None)
        if self._lost_s is None:
            log.info("camera: streaming (%s)", description)
        else:
            again = "again " if self.status.description else ""
            log.info("camera: streaming %safter %.0f s (%s)", again, now_s - self._lost_s, description)
            status = replace(status, restarts=status.restarts + bool(again))
        self._lost_s = None
        self._said.clear()
        self._become(status)

    def _say(self, line: str) -> None:
        if line not in self._said and len(self._said) < MOST_LINES:
            self._said.add(line)
            log.warning("%s", line)

    def _become(self, status: CameraStatus) -> None:
        if status != self.status:
            self.status = status
            self._on_change(status)

    def _ordered_since(self, orders: int) -> bool:
        with self._lock:
            return self._stopping or self._orders != orders

    def _wait(self, seconds: float | None, orders: int) -> None:
        """Waits, but not beyond an order, and not at all when there was one since `orders`."""
        with self._lock:
            if self._stopping or self._orders != orders:
                return
            self._order.clear()
        self._clock.wait(self._order, seconds)
