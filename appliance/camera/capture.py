"""The capture thread: keeps one camera open and hands its newest frame to the labeling thread.

A failed camera is never repaired. After any error, including an unexpected one, the camera is closed and opened again:
immediately if it delivered frames for a while, after a short pause if it delivered any, and after increasing pauses as
long as it delivers none. So an absent, busy or silent camera is a state of the program and never ends it. Each state is
logged once when it begins, not at every attempt.

Invariants: at most one camera is open, and only this thread uses it; frames are not copied here; every call into a
camera has a deadline for the watchdog; stop() and set_running() interrupt every pause.
"""

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from appliance.camera.frozen import FrozenPictureMonitor
from appliance.camera.silence import SilenceLimit
from appliance.camera.source import Camera, CameraState
from appliance.errors import ApplianceError, CameraEndedError, CameraError
from appliance.imaging.frame import Frame
from appliance.imaging.frame_slot import FrameSlot
from appliance.system.backoff import BackOff
from appliance.system.threads import Heartbeat

log = logging.getLogger("appliance.camera")

T = TypeVar("T")

CALL_LIMIT_S = 30.0  # a longer call into a camera is stuck in native code, and the watchdog restarts the program
FIRST_PAUSE_S = 1.0  # between two attempts; doubles each time
LONGEST_PAUSE_S = 60.0
# Below 1, so that a pause ends before the limit announced to the watchdog.
PAUSE_JITTER = (0.75, 0.95)
STEADY_S = 3.0  # after frames for this long, the next attempt follows immediately
SHORT_OUTAGE_S = 10.0
REPEAT_S = 600.0  # short outages with the same reason are logged at most this often, with their number
MAX_LINES = 16  # log lines about one outage, in case a camera's error text differs at each attempt


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """Status of the camera.

    Attributes:
        state: What the camera is doing.
        restarts: Number of times that frames resumed after an outage.
        description: The camera's description when it was last open; empty if it has not been open yet.
        reason: A sentence that explains the states absent, busy, stalled and ended; otherwise None.
    """

    state: CameraState = CameraState.OPENING
    restarts: int = 0
    description: str = ""
    reason: str | None = None


class Clock:
    """The time, and waiting that an event can interrupt. Tests use a simulated clock."""

    def time_s(self) -> float:
        """Return seconds since 1970 UTC."""
        return time.time()

    def monotonic_s(self) -> float:
        """Return seconds on a clock that is never adjusted."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float | None) -> None:
        """Wait until `event` is set or `timeout_s` seconds have passed (None: no timeout)."""
        event.wait(timeout_s)


class _CameraCallError(Exception):
    """A call into the camera failed; carries the resulting state and a sentence for display."""

    def __init__(self, state: CameraState, reason: str):
        super().__init__(reason)
        self.state = state
        self.reason = reason


class Capture:
    """Runs the camera: `run()` is the body of the capture thread, every other method may be called from any thread."""

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
        """Prepare the thread without opening the camera.

        Args:
            open_camera: Opens the configured camera; any exception means "not now".
            fps: Maximum frames per second.
            slot: Receives each frame.
            on_change: Receives each new status on the capture thread; must not block.
            clock: Source of time; the system clock by default.
            jitter: Returns a number from 0 to 1; it spreads the attempts of many devices.
        """
        self.heartbeat = Heartbeat("capture")
        self.status = CameraStatus()
        self.last_frame_s: float | None = None
        self.unchanged_s: float | None = None  # how long a live camera has sent the same picture; else None
        self.frame_limit_s: float | None = None  # the newest frame of a live camera is no older unless it failed
        self._frozen = FrozenPictureMonitor()
        self._open_camera = open_camera
        self._period_s = 1 / fps
        self._slot = slot
        self._on_change = on_change
        self._clock = clock or Clock()

        self._lock = threading.Lock()
        self._changed = threading.Event()  # set when one of the next three changes
        self._revision = 0
        self._enabled = True
        self._stopping = False

        self._camera: Camera | None = None
        self._dropped_before = self._damaged_before = 0  # by cameras that were closed
        self._frames = 0
        self._back_off = BackOff(FIRST_PAUSE_S, LONGEST_PAUSE_S, PAUSE_JITTER, jitter)
        self._retry_immediately = False
        self._outage_since_s: float | None = None
        self._logged: set[str] = set()  # lines logged during this outage
        self._recent: dict[str, tuple[float, int]] = {}  # when lines were logged, and how often they were omitted since

    @property
    def dropped(self) -> int:
        """Number of frames that were never labeled, because a newer one replaced them in the slot or the camera."""
        with self._lock:
            return self._slot.dropped + self._dropped_before + (self._camera.dropped if self._camera else 0)

    @property
    def damaged(self) -> int:
        """Number of frames that cameras withheld because they were damaged, or depend on damaged ones."""
        with self._lock:
            return self._damaged_before + (self._camera.damaged if self._camera else 0)

    def stop(self) -> None:
        """Make run() close the camera and return, immediately unless a call into the camera is in progress."""
        with self._lock:
            self._stopping = True
            self._changed.set()

    def set_running(self, running: bool) -> None:
        """Open the camera, or close and release it (state `off`)."""
        with self._lock:
            if running != self._enabled:
                self._enabled = running
                self._revision += 1
                self._changed.set()

    def use_camera(self, open_camera: Callable[[], Camera], fps: float) -> None:
        """Replace the camera or its settings: close the open camera and open the new one."""
        with self._lock:
            self._open_camera = open_camera
            self._period_s = 1 / fps
            self._revision += 1
            self._changed.set()

    def run(self) -> None:
        """Capture until stop()."""
        while True:
            with self._lock:
                if self._stopping:
                    return
                enabled, revision = self._enabled, self._revision
            if enabled:
                self._reset(CameraState.OPENING)
                self._capture_until_change(revision)
            else:
                log.info("camera: off")
                self._reset(CameraState.OFF)
                self._wait(None, revision)

    def _reset(self, state: CameraState) -> None:
        self.unchanged_s = None
        self._frozen.reset()
        self._back_off.reset()
        self._retry_immediately = False
        self._outage_since_s = None
        self._logged.clear()
        self._recent.clear()
        self._set_status(replace(self.status, state=state, reason=None))

    def _capture_until_change(self, revision: int) -> None:
        """Open the camera again and again until stop(), set_running() or use_camera() is called."""
        while not self._has_changed(revision):
            try:
                self._run_camera(revision)
                return
            except CameraEndedError as end:
                log.info("camera: ended: %s", end)
                self._set_status(replace(self.status, state=CameraState.ENDED, reason=str(end)))
                self._wait(None, revision)
                return
            except _CameraCallError as error:
                self._report_failure(error)
            if self._retry_immediately:
                self._retry_immediately = False
                continue
            with self.heartbeat.deadline(LONGEST_PAUSE_S, "the pause before the camera is opened again"):
                self._wait(self._back_off.next_s(), revision)

    def _run_camera(self, revision: int) -> None:
        """Open a camera and forward its frames until a change; always close it.

        Raises:
            _CameraCallError: The camera failed.
            CameraEndedError: The recording has ended.
        """
        camera = self._call("opening the camera", CameraState.ABSENT, self._open_camera)
        with self._lock:
            self._camera = camera
        opened_s, frames_before = self._clock.monotonic_s(), self._frames
        try:
            self._forward_frames(camera, revision)
        finally:
            if self._frames > frames_before and self.last_frame_s is not None:
                self._back_off.reset()  # the pauses grow only with failures to connect
                self._retry_immediately = self.last_frame_s - opened_s >= STEADY_S
            self._close(camera)

    def _forward_frames(self, camera: Camera, revision: int) -> None:
        # Due times form a grid, so that the average rate is correct although reading takes time; missed frames are
        # skipped. A live camera is read only when a frame is due, and returns its newest frame, so no old frames queue.
        due_s = self._clock.monotonic_s()
        pace = SilenceLimit(1 / self._period_s, self._clock.monotonic_s)
        while not self._has_changed(revision):
            ahead_s = due_s - self._clock.monotonic_s()
            if ahead_s > 0:
                self._wait(ahead_s, revision)
                continue
            pixels = self._call("reading a frame", CameraState.STALLED, camera.read)
            if pixels is None:  # a slow source has no frame yet
                continue
            now_s = self._clock.monotonic_s()
            due_s = max(due_s + self._period_s, now_s)
            if self._has_changed(revision):
                return
            self._frames += 1
            self.last_frame_s = now_s
            self.unchanged_s = self._frozen.observe(pixels, now_s) if camera.live else None
            pace.note_arrival()
            self.frame_limit_s = pace.limit_s if camera.live else None
            self._slot.put(Frame(pixels, self._clock.time_s(), now_s, self._frames))
            if self.status.state != CameraState.STREAMING:
                self._report_frames(camera.description, now_s)

    def _close(self, camera: Camera) -> None:
        with self._lock:
            self._dropped_before += camera.dropped
            self._damaged_before += camera.damaged
            self._camera = None
        try:
            self._call("closing the camera", CameraState.ABSENT, camera.close)
        except (_CameraCallError, CameraEndedError) as error:
            self._log_once(f"camera: could not be closed: {error}")

    def _call(self, action: str, default: CameraState, call: Callable[[], T]) -> T:
        """Call into a camera under the watchdog.

        Args:
            action: What the call does, for messages.
            default: The resulting state if the error does not determine one.
            call: The call.

        Raises:
            _CameraCallError: The call failed in any way.
            CameraEndedError: The recording has ended.
        """
        try:
            with self.heartbeat.deadline(CALL_LIMIT_S, action):
                return call()
        except CameraEndedError:
            raise
        except CameraError as error:
            raise _CameraCallError(CameraState.from_error(error), str(error)) from error
        except ApplianceError as error:  # a setting that the camera cannot apply; the message contains the remedy
            raise _CameraCallError(default, str(error)) from error
        except Exception as error:
            log.debug("camera: unexpected error in %s", action, exc_info=error)
            raise _CameraCallError(default, f"{action} failed with {type(error).__name__}: {error}") from error

    def _report_failure(self, error: _CameraCallError) -> None:
        if self._outage_since_s is None:
            streaming = self.status.state == CameraState.STREAMING
            self._outage_since_s = self.last_frame_s if streaming else self._clock.monotonic_s()
        retry = f"trying again, with up to {LONGEST_PAUSE_S:g} s between attempts"
        self._log_once(f"camera: {error.state}: {error.reason}; {retry}")
        self._set_status(replace(self.status, state=error.state, reason=error.reason))

    def _report_frames(self, description: str, now_s: float) -> None:
        status = replace(self.status, state=CameraState.STREAMING, description=description, reason=None)
        if self._outage_since_s is None:
            log.info("camera: streaming (%s)", description)
        else:
            again = "again " if self.status.description else ""
            level = logging.INFO if self._logged else logging.DEBUG
            log.log(level, "camera: streaming %safter %.0f s (%s)", again, now_s - self._outage_since_s, description)
            status = replace(status, restarts=status.restarts + bool(again))
        self._outage_since_s = None
        self._logged.clear()
        self._set_status(status)

    def _log_once(self, line: str) -> None:
        if line in self._logged or len(self._logged) >= MAX_LINES:
            return
        now_s = self._clock.monotonic_s()
        logged_s, count = self._recent.get(line, (-math.inf, 0))
        is_short = self._outage_since_s is None or now_s - self._outage_since_s < SHORT_OUTAGE_S
        if is_short and now_s - logged_s < REPEAT_S:
            self._recent[line] = logged_s, count + 1
            return
        if len(self._recent) >= MAX_LINES:
            self._recent.clear()
        self._recent[line] = now_s, 0
        self._logged.add(line)
        log.warning("%s%s", line, f" (and {count} times since the last such message)" if count else "")

    def _set_status(self, status: CameraStatus) -> None:
        if status != self.status:
            self.status = status
            self._on_change(status)

    def _has_changed(self, revision: int) -> bool:
        with self._lock:
            return self._stopping or self._revision != revision

    def _wait(self, seconds: float | None, revision: int) -> None:
        """Wait until a change or the timeout; return immediately if there was a change since `revision`."""
        with self._lock:
            if self._stopping or self._revision != revision:
                return
            self._changed.clear()
        self._clock.wait(self._changed, seconds)
