"""The capture thread, with cameras that fail in every way and a simulated clock."""

import logging
import threading
from collections.abc import Callable

import numpy as np
import pytest

from appliance.camera.capture import LONGEST_PAUSE_S, CameraStatus, Capture, Clock
from appliance.camera.source import CameraState
from appliance.errors import CameraAbsentError, CameraBusyError, CameraEndedError, CameraStalledError
from appliance.imaging.frame_slot import FrameSlot
from appliance.system.threads import WatchedThread

PIXELS = np.zeros((2, 2, 3), np.uint8)


class QuickClock(Clock):
    """A simulated clock: each wait advances the time without waiting, and is recorded."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.waits: list[float] = []

    def time_s(self) -> float:
        return self.now_s + 1e9

    def monotonic_s(self) -> float:
        return self.now_s

    def wait(self, event: threading.Event, timeout_s: float | None) -> None:
        if timeout_s is None:
            event.wait()
        elif not event.is_set():
            self.waits.append(timeout_s)
            self.now_s += timeout_s


class PlayedCamera:
    """A camera with a script of frames (the seconds that each takes), errors to raise and functions to call."""

    description = "a scripted camera"
    damaged = 0

    def __init__(
        self, clock: QuickClock, *script, live: bool = True, dropped: int = 0, close_error: Exception | None = None
    ):
        self.clock, self.script, self.live, self.dropped = clock, list(script), live, dropped
        self.close_error = close_error
        self.closed = 0

    def read(self) -> np.ndarray:
        assert not self.closed
        while True:
            step = self.script.pop(0)
            if isinstance(step, Exception):
                raise step
            if not callable(step):
                self.clock.now_s += step
                return PIXELS
            step()

    def close(self) -> None:
        self.closed += 1
        if self.close_error:
            raise self.close_error


class Played:
    """A capture over a list of openings, each a camera or the exception to raise; the end of the list stops it."""

    def __init__(self, openings: Callable[[QuickClock], list], fps: float = 5.0, jitter: float = 1.0):
        self.clock = QuickClock()
        self.openings = openings(self.clock)
        self.cameras = [each for each in self.openings if isinstance(each, PlayedCamera)]
        self.slot = FrameSlot()
        self.changes: list[CameraStatus] = []
        self.opened_s: list[float] = []
        self.capture = Capture(self._open, fps, self.slot, self.changes.append, clock=self.clock, jitter=lambda: jitter)

    def _open(self) -> PlayedCamera:
        self.opened_s.append(self.clock.now_s)
        if not self.openings:
            self.capture.stop()
            raise CameraAbsentError("the end")
        opening = self.openings.pop(0)
        if isinstance(opening, Exception):
            raise opening
        return opening

    @property
    def states(self) -> list[str]:
        return [status.state for status in self.changes]


def frames(count: int, each_s: float = 0.0) -> list[float]:
    return [each_s] * count


# Frames


def test_frames_have_number_and_both_times_and_are_not_copied():
    played = Played(lambda clock: [PlayedCamera(clock, 0.5, CameraStalledError("x"))])
    played.capture.run()
    taken = played.slot.get(0)
    assert (taken.number, taken.monotonic_s, taken.time) == (1, 1000.5, 1000.5 + 1e9)
    assert taken.pixels is PIXELS
    assert played.capture.last_frame_s == 1000.5


def test_rate_is_a_maximum_and_right_on_average():
    played = Played(lambda clock: [PlayedCamera(clock, *frames(51, 0.03), CameraEndedError("over"))], fps=5)
    thread = WatchedThread("capture", played.capture.run)
    thread.start()
    wait_for(lambda: played.states[-1:] == ["ended"])
    played.capture.stop()
    thread.join(5)
    assert played.capture.last_frame_s - 1000.0 == pytest.approx(50 / 5 + 0.03, abs=0.01)


def test_slow_camera_is_not_delayed_and_lost_time_not_caught_up():
    moments = []

    def camera(clock: QuickClock) -> PlayedCamera:
        note = lambda: moments.append(round(clock.now_s - 1000, 6))  # noqa: E731
        steps = [step for each_s in (1.0, 1.0, 1.0, 0.0, 0.0, 0.0) for step in (note, each_s)]
        return PlayedCamera(clock, *steps, note, CameraStalledError("x"))

    Played(lambda clock: [camera(clock)], fps=5).capture.run()
    assert moments == [0, 1, 2, 3, 3.2, 3.4, 3.6]


def test_dropped_counts_unread_frames_of_slot_and_cameras():
    played = Played(
        lambda clock: [
            PlayedCamera(clock, *frames(3), CameraStalledError("x"), dropped=7),
            PlayedCamera(clock, *frames(2), CameraStalledError("x"), dropped=4),
        ]
    )
    played.capture.run()
    assert played.capture.dropped == 7 + 4 + (5 - 1)


# Faults


@pytest.mark.parametrize(
    ("error", "state", "sentence"),
    [
        (CameraAbsentError("no camera is found"), "absent", "no camera is found"),
        (CameraBusyError("another program has it"), "busy", "another program has it"),
        (KeyError("Model"), "absent", "opening the camera failed with KeyError: 'Model'"),
        (OSError(5, "I/O error"), "absent", "opening the camera failed with OSError: [Errno 5] I/O error"),
    ],
)
def test_unopenable_camera_is_a_state_logged_once(caplog, error, state, sentence):
    caplog.set_level(logging.INFO)
    played = Played(lambda clock: [error] * 8 + [PlayedCamera(clock, *frames(2), CameraStalledError("x"))])
    played.capture.run()
    assert played.states == [state, "streaming", "stalled", "absent"]
    assert played.changes[0].reason == sentence
    assert caplog.messages[:2] == [
        f"camera: {state}: {sentence}; trying again, with up to 60 s between attempts",
        "camera: streaming after 174 s (a scripted camera)",
    ]
    assert played.changes[1] == CameraStatus(CameraState.STREAMING, 0, "a scripted camera", None)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (CameraStalledError("no frame for 2 s"), "no frame for 2 s"),
        (RuntimeError("bad buffer"), "reading a frame failed with RuntimeError: bad buffer"),
        (MemoryError(), "reading a frame failed with MemoryError: "),
    ],
)
def test_failed_camera_is_closed_and_a_new_one_opened(caplog, error, sentence):
    caplog.set_level(logging.INFO)
    played = Played(
        lambda clock: [
            PlayedCamera(clock, *frames(2), error),
            PlayedCamera(clock, *frames(2), lambda: played.capture.stop(), 0.0),  # noqa: PLW0108 - not assigned yet
        ]
    )
    played.capture.run()
    assert [camera.closed for camera in played.cameras] == [1, 1]
    assert played.states == ["streaming", "stalled", "streaming"]
    assert played.changes[1].reason == sentence
    assert played.changes[2].restarts == 1
    assert caplog.messages == [
        "camera: streaming (a scripted camera)",
        f"camera: stalled: {sentence}; trying again, with up to 60 s between attempts",
        "camera: streaming again after 1 s (a scripted camera)",
    ]


def test_pauses_double_up_to_a_minute_and_reset_after_good_run():
    absent_error = CameraAbsentError("x")
    played = Played(
        lambda clock: (
            [absent_error] * 9 + [PlayedCamera(clock, *frames(60), CameraStalledError("x"))] + [absent_error] * 3
        )
    )
    played.capture.run()
    pauses = np.diff(played.opened_s)
    assert pauses[:9] == pytest.approx([0.95 * pause for pause in (1, 2, 4, 8, 16, 32, 60, 60, 60)])
    assert pauses[9] == pytest.approx(60 * 0.2)  # the good run, and the next try at once
    assert pauses[10:] == pytest.approx([0.95 * pause for pause in (1, 2, 4)])
    assert max(played.clock.waits) < LONGEST_PAUSE_S


def test_outage_is_measured_from_the_last_frame(caplog):
    caplog.set_level(logging.INFO)
    clock = QuickClock()

    def pass_silence() -> None:
        clock.now_s += 5

    silent = PlayedCamera(clock, 0.0, pass_silence, CameraStalledError("x"))
    openings = [silent, PlayedCamera(clock, 0.0, lambda: capture.stop(), 0.0)]  # noqa: PLW0108 - not assigned yet
    capture = Capture(lambda: openings.pop(0), 5, FrameSlot(), lambda status: None, clock=clock, jitter=lambda: 1.0)
    capture.run()
    assert caplog.messages[-1] == "camera: streaming again after 6 s (a scripted camera)"  # 0.2 + 5 + 0.95


def test_pauses_are_spread():
    pauses = set()
    for jitter in (0.0, 0.5, 1.0):
        played = Played(lambda clock: [CameraAbsentError("x")], jitter=jitter)
        played.capture.run()
        pauses.add(round(float(np.diff(played.opened_s)[0]), 2))
    assert pauses == {0.75, 0.85, 0.95}


def test_stream_that_delivered_is_reopened_after_the_shortest_pause():
    played = Played(lambda clock: [PlayedCamera(clock, 0.0, CameraStalledError("x")) for _ in range(30)])
    played.capture.run()
    pauses = np.diff(played.opened_s)
    assert pauses.max() < 1.2


def test_stream_closed_every_8_s_is_streaming_nearly_always():
    played = Played(lambda clock: [PlayedCamera(clock, *frames(40, 0.2), CameraAbsentError("x")) for _ in range(30)])
    played.capture.run()
    assert played.clock.now_s - 1000 < 30 * 8 / 0.85
    assert played.slot.get(0).number == 30 * 40


def test_varying_error_texts_do_not_fill_the_log(caplog):
    played = Played(lambda clock: [CameraAbsentError(f"request {number} failed") for number in range(200)])
    played.capture.run()
    assert len(caplog.messages) <= 20


def test_stream_that_is_cut_again_and_again_is_logged_every_ten_minutes(caplog):
    caplog.set_level(logging.INFO)
    played = Played(lambda clock: [PlayedCamera(clock, *frames(40, 0.2), CameraAbsentError("cut")) for _ in range(160)])
    played.capture.run()
    cuts = [line for line in caplog.messages if "absent: cut" in line]
    assert len(cuts) == 3 and "times since the last such message" in cuts[1]
    assert len(caplog.messages) <= 10


def test_each_error_of_an_outage_is_logged_once(caplog):
    first, second = CameraAbsentError("picamera2 is missing"), CameraAbsentError("no camera is found")
    played = Played(lambda clock: [first, first, second, second, first])
    played.capture.run()
    again = "; trying again, with up to 60 s between attempts"
    assert caplog.messages[:2] == [
        f"camera: absent: picamera2 is missing{again}",
        f"camera: absent: no camera is found{again}",
    ]
    assert len(caplog.messages) == 3  # and the end


def test_camera_that_fails_to_close_is_abandoned(caplog):
    played = Played(
        lambda clock: [
            PlayedCamera(clock, 0.0, CameraStalledError("x"), close_error=RuntimeError("stuck")),
            PlayedCamera(clock, 0.0, CameraStalledError("x")),
        ]
    )
    played.capture.run()
    assert played.states[:3] == ["streaming", "stalled", "streaming"]
    assert "camera: could not be closed: closing the camera failed with RuntimeError: stuck" in caplog.messages


def test_error_in_callback_is_not_treated_as_a_camera_error():
    clock = QuickClock()

    def on_change(status: CameraStatus) -> None:
        raise ValueError("a bug")

    camera = PlayedCamera(clock, *frames(3))
    with pytest.raises(ValueError, match="a bug"):
        Capture(lambda: camera, 5, FrameSlot(), on_change, clock=clock).run()
    assert camera.closed == 1


# Calls from other threads


def wait_for(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    tick = threading.Event()
    for _ in range(int(within_s / 0.005)):
        if condition():
            return
        tick.wait(0.005)
    pytest.fail("the condition was not met in time")


class EndlessCamera(PlayedCamera):
    """A camera that delivers frames endlessly."""

    def read(self) -> np.ndarray:
        assert not self.closed
        return PIXELS


@pytest.fixture
def started():
    """Return started(open_camera, fps) → (capture, thread, statuses), which starts a capture in a thread."""
    captures = []

    def start(open_camera, fps=1000.0):
        statuses = []
        capture = Capture(open_camera, fps, FrameSlot(), statuses.append, jitter=lambda: 1.0)
        thread = WatchedThread("capture", capture.run, capture.heartbeat)
        captures.append((capture, thread))
        thread.start()
        return capture, thread, statuses

    yield start
    for capture, thread in captures:
        capture.stop()
        thread.join(5)
        assert not thread.is_alive() and thread.failure is None


def absent():
    raise CameraAbsentError("x")


@pytest.mark.parametrize("action", ["stop", "off"])
def test_stop_and_off_interrupt_a_pause(started, action):
    tries = []
    capture, thread, _ = started(lambda: tries.append(1) or absent())
    wait_for(lambda: len(tries) >= 2)  # now in a pause of about 2 s
    wait_for(lambda: capture.heartbeat._work is not None)
    if action == "stop":
        capture.stop()
        thread.join(1)
        assert not thread.is_alive()
    else:
        capture.set_running(False)
        wait_for(lambda: capture.status.state == "off", within_s=1)
        capture.set_running(True)
        wait_for(lambda: len(tries) >= 3, within_s=1)


def test_stop_interrupts_the_wait_for_the_next_frame(started):
    camera = EndlessCamera(QuickClock())
    capture, thread, _ = started(lambda: camera, fps=0.01)
    wait_for(lambda: capture.last_frame_s is not None)
    capture.stop()
    thread.join(1)
    assert not thread.is_alive() and camera.closed == 1


def test_off_closes_the_camera_and_on_opens_a_new_one(started):
    cameras = []
    capture, _, statuses = started(lambda: cameras.append(EndlessCamera(QuickClock())) or cameras[-1])
    wait_for(lambda: capture.status.state == "streaming")
    capture.set_running(False)
    wait_for(lambda: capture.status.state == "off")
    assert cameras[0].closed == 1
    seen = capture.last_frame_s
    capture.set_running(False)
    capture.set_running(True)
    wait_for(lambda: capture.status.state == "streaming")
    assert capture.last_frame_s > seen
    assert [status.state for status in statuses] == ["streaming", "off", "opening", "streaming"]
    assert len(cameras) == 2 and capture.status.restarts == 0


def test_change_just_before_a_wait_is_not_lost():
    clock = QuickClock()
    states = []

    def on_change(status: CameraStatus) -> None:  # the capture thread is about to wait without a timeout
        states.append(status.state)
        if status.state == "ended":
            capture.set_running(False)
        if status.state == "off":
            capture.set_running(True)
        if len(states) > 6:
            capture.stop()

    capture = Capture(
        lambda: PlayedCamera(clock, 0.0, CameraEndedError("over")), 5, FrameSlot(), on_change, clock=clock
    )
    thread = WatchedThread("capture", capture.run)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert states == ["streaming", "ended", "off", "opening", "streaming", "ended", "off"]


def test_off_before_the_start_opens_nothing():
    played = Played(lambda clock: [PlayedCamera(clock, 0.0)])
    played.capture.set_running(False)
    thread = WatchedThread("capture", played.capture.run)
    thread.start()
    wait_for(lambda: played.states == ["off"])
    played.capture.stop()
    thread.join(5)
    assert not thread.is_alive() and played.opened_s == []


def test_ended_recording_is_closed_and_restarts_after_off_and_on(started, caplog):
    caplog.set_level(logging.INFO)
    cameras = []

    def open_camera():
        cameras.append(PlayedCamera(QuickClock(), *frames(3), CameraEndedError("the video is over"), live=False))
        return cameras[-1]

    capture, _, _ = started(open_camera)
    wait_for(lambda: capture.status.state == "ended")
    assert capture.status == CameraStatus(CameraState.ENDED, 0, "a scripted camera", "the video is over")
    wait_for(lambda: cameras[0].closed == 1)
    assert capture.heartbeat.overdue(now_s=1e12) is None  # an intended wait is not a hang
    capture.set_running(False)
    capture.set_running(True)
    wait_for(lambda: len(cameras) == 2 and capture.status.state == "ended")
    assert caplog.messages.count("camera: ended: the video is over") == 2


# The watchdog's view


def test_hanging_call_is_overdue_after_30_s_and_pause_is_not(started):
    inside, release = threading.Event(), threading.Event()

    def hangs():
        inside.set()
        release.wait(10)
        absent()

    capture, _, _ = started(hangs)
    assert inside.wait(5)
    began_s = capture._clock.monotonic_s()
    assert capture.heartbeat.overdue(began_s + 29) is None
    assert capture.heartbeat.overdue(began_s + 31) == "the capture thread is stuck in opening the camera"
    release.set()
    wait_for(lambda: capture.status.state == "absent")
    wait_for(lambda: "pause" in (capture.heartbeat.overdue(1e12) or ""))
    assert capture.heartbeat.overdue(capture._clock.monotonic_s() + 55) is None
    assert capture.heartbeat.overdue(capture._clock.monotonic_s() + 61) is not None


# A frozen picture


def test_frozen_picture_of_a_live_camera_is_a_state_with_one_warning(caplog):
    caplog.set_level(logging.WARNING)
    seen = []

    def script(clock):
        def look():
            seen.append(played.capture.unchanged_s)

        return [
            PlayedCamera(clock, *frames(10, 10.0), look, CameraStalledError("x"), live=live) for live in (True, False)
        ]

    played = Played(script)
    played.capture.run()
    assert seen == [90.0, None]
    assert caplog.text.count("the picture has not changed") == 1


def test_limit_of_the_newest_frames_age_follows_the_rate_of_a_live_camera():
    seen = []

    def script(clock):
        def look():
            seen.append(played.capture.frame_limit_s)

        return [
            PlayedCamera(clock, *frames(4, 10.0), look, CameraStalledError("x"), live=live) for live in (True, False)
        ]

    played = Played(script)
    played.capture.run()
    assert seen == [30.0, None]


def test_slow_camera_without_a_frame_yet_is_read_again():
    def script(clock):
        camera = PlayedCamera(clock, 1.0, CameraStalledError("x"))
        nothing, read = [None, None], camera.read
        camera.read = lambda: nothing.pop() if nothing else read()
        return [camera]

    played = Played(script)
    played.capture.run()
    assert played.slot.get(0).number == 1
