"""Cameras made of an opened input: a live one keeps only its newest frame, a recording waits until it is read.

An input (appliance/camera/stream/input.py opens them) gives packets and turns packets into frames; which of them are
taken, and when, is decided here, without a word of libav.

A live input is drained by a thread of its own: what nobody takes piles up in the kernel and in the server, and every
later frame is that much too old. Where each packet is a whole picture (MJPEG, raw) the thread keeps only the newest
packet, so decoding is paid for the frames that are read and for no others.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from appliance.camera.source import READ_LIMIT_S
from appliance.errors import CameraAbsentError, CameraEndedError, CameraError, CameraStalledError

POLL_S = 0.01  # between two looks at a device that has no frame yet
LONGEST_WAIT_S = 2.0  # for the next frame of a recording, however slow it is itself
SAME_MOMENT_S = 0.001  # timestamps are rounded to the unit of the container
BREAK_S = 1.0  # timestamps that go back by more begin anew


class InputEndError(Exception):
    """The input has no more packets."""


class MediaInput(Protocol):
    """One opened source with one video in it. Its calls end by themselves, each within a few seconds.

    Attributes:
        shown: Where it is, for people.
        description: What it is, for people.
        whole_pictures: Each packet is a picture by itself, so that any may be left out.
        on_demand: A packet is fetched when somebody wants one (a snapshot), not before.
        frame_s: The usual time between two frames.
        damaged: Frames in a row, up to now, that could not be decoded.
    """

    shown: str
    description: str
    whole_pictures: bool
    on_demand: bool
    frame_s: float
    damaged: int

    def packet(self) -> Any | None:
        """The next packet; None when a device has nothing yet. Raises InputEndError or a CameraError."""
        ...

    def frames(self, packet: Any, passing: bool = False) -> list[Any]:
        """The sound frames that a packet completes; when `passing`, those that no other needs may be left out."""
        ...

    def time_s(self, item: Any) -> float | None:
        """When a packet or frame is shown, in seconds on the recording's clock; None where it does not say."""
        ...

    def pixels(self, frame: Any) -> np.ndarray:
        """(height, width, 3) uint8 RGB, the caller's own."""
        ...

    def close(self) -> None:
        """Gives everything back; may be called twice."""
        ...


class LiveCamera:
    """A device, stream or snapshot address: always its newest frame, the others are counted in `dropped`."""

    live = True

    def __init__(self, source: MediaInput, first_frame_limit_s: float):
        """Starts draining and waits for the first frame, up to `first_frame_limit_s`; closes the input on failure.

        Raises:
            CameraStalledError: No sound frame came.
            CameraAbsentError: The source went away meanwhile.
        """
        self.description = source.description
        self.dropped = 0
        self._source = source
        self._changed = threading.Condition()
        self._newest: Any | None = None  # a packet where packets are whole pictures, else a frame
        self._failure: CameraError | None = None
        self._waited_for = False
        self._closing = False
        self._thread = threading.Thread(target=self._drain, name="camera stream", daemon=True)
        self._thread.start()
        try:
            self._first: np.ndarray | None = self._read(first_frame_limit_s)
        except BaseException:
            self.close()
            raise

    def read(self) -> np.ndarray:
        """See Camera.read()."""
        first, self._first = self._first, None
        return self._read(READ_LIMIT_S) if first is None else first

    def close(self) -> None:
        """See Camera.close()."""
        with self._changed:
            self._closing, self._newest = True, None
            self._changed.notify_all()
        self._thread.join(READ_LIMIT_S)
        if not self._thread.is_alive():
            self._source.close()

    def _read(self, limit_s: float) -> np.ndarray:
        until_s = time.monotonic() + limit_s
        while (item := self._take(until_s)) is not None:
            frames = self._source.frames(item) if self._source.whole_pictures else [item]
            if frames:
                return self._source.pixels(frames[-1])
        what = "nothing but damaged frames" if self._source.damaged else "no frame"
        raise CameraStalledError(f"{self._source.shown} sent {what} for {limit_s:g} s; check camera, cable and network")

    def _take(self, until_s: float) -> Any | None:
        with self._changed:
            self._waited_for = True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._newest is not None or self._failure is not None, until_s - time.monotonic()
            )
            self._waited_for = False
            if self._failure is not None:
                raise self._failure
            item, self._newest = self._newest, None
            return item

    def _drain(self) -> None:
        """The thread. It closes the input only when close() did not wait for it: till then a reader may hold packets."""
        try:
            while self._wanted():
                packet = self._source.packet()
                if packet is None:
                    time.sleep(POLL_S)
                elif self._source.whole_pictures:
                    self._put(packet)
                else:
                    for frame in self._source.frames(packet):
                        self._put(frame)
                del packet
        except CameraError as error:
            self._fail(error)
        except InputEndError:
            self._fail(CameraAbsentError(f"{self._source.shown} ended the stream; check the camera and the network"))
        except Exception as error:  # noqa: BLE001 - whatever it was, a reader waits to hear of it
            self._fail(CameraAbsentError(f"{self._source.shown}: reading failed with {type(error).__name__}"))
        if self._closing:
            self._source.close()

    def _wanted(self) -> bool:
        """Waits until a packet is to be fetched; False when the camera was closed."""
        with self._changed:
            if self._source.on_demand:
                # Not while one lies there untaken: it would be replaced by one that is hardly newer.
                self._changed.wait_for(lambda: self._closing or (self._waited_for and self._newest is None))
            return not self._closing

    def _put(self, item: Any) -> None:
        with self._changed:
            if self._closing:
                return
            if self._newest is not None:
                self.dropped += 1
            self._newest = item
            self._changed.notify_all()

    def _fail(self, error: CameraError) -> None:
        with self._changed:
            # What was not read is let go: a device's packet must be gone before the device is closed.
            self._failure, self._newest = error, None
            self._changed.notify_all()


class RecordedCamera:
    """A video file, played at its own pace at the most.

    Where it has more frames a second than are wanted, those between are passed over by their timestamps, so that
    what is seen moves as fast as it did in life. They are not converted, and not even decoded where no other frame
    needs them. A time lapse that is slower than LONGEST_WAIT_S a frame is played at that.
    """

    live = False
    dropped = 0

    def __init__(self, source: MediaInput, reopen: Callable[[], MediaInput], fps: float, loop: bool):
        """Takes the opened input over.

        Args:
            source: The recording, at its beginning.
            reopen: Opens it once more.
            fps: Frames a second that are wanted at the most.
            loop: Begin again at the end.
        """
        self.description = source.description
        self._reopen = reopen
        self._step_s = 1 / fps
        self._loop = loop
        self._due_s: float | None = None  # when the last frame was due, on the machine's clock
        self._begin(source)

    def read(self) -> np.ndarray:
        """See Camera.read()."""
        frame, gap_s = self._next(time.monotonic() + READ_LIMIT_S / 2)
        pixels = self._source.pixels(frame)
        now_s = time.monotonic()
        # Never early; and what is late is not caught up.
        due_s = now_s if self._due_s is None else max(self._due_s + min(gap_s, LONGEST_WAIT_S), now_s)
        time.sleep(due_s - now_s)
        self._due_s = due_s
        return pixels

    def close(self) -> None:
        """See Camera.close()."""
        self._waiting.clear()
        self._source.close()

    def _begin(self, source: MediaInput) -> None:
        # All moments are on the recording's clock.
        self._source = source
        self._waiting: deque[Any] = deque()  # frames that are decoded and not looked at
        self._seen_s: float | None = None  # the last frame that was looked at
        self._shown_s: float | None = None  # the last one that was given
        self._wanted_s: float | None = None  # the next one to give; None: whichever comes

    def _next(self, until_s: float) -> tuple[Any, float]:
        """The next frame to show, and its distance from the one before. The time limit only ends the passing over."""
        passed = None
        while True:
            while self._waiting:
                passed = frame, moment_s = self._look(self._waiting.popleft())
                if self._wanted_s is None or moment_s >= self._wanted_s - SAME_MOMENT_S:
                    return frame, self._show(moment_s)
            if time.monotonic() < until_s:
                self._advance()
            elif passed:
                return passed[0], self._show(passed[1])
            else:
                raise CameraStalledError(
                    f"{self._source.shown} comes too slowly to be played; check the disk or the network"
                )

    def _look(self, frame: Any) -> tuple[Any, float]:
        moment_s = self._source.time_s(frame)
        if moment_s is None:
            moment_s = 0.0 if self._seen_s is None else self._seen_s + self._source.frame_s
        if self._shown_s is not None and moment_s < self._shown_s - BREAK_S:
            self._shown_s = self._wanted_s = None
        self._seen_s = moment_s
        return frame, moment_s

    def _show(self, moment_s: float) -> float:
        gap_s = self._source.frame_s if self._shown_s is None else max(moment_s - self._shown_s, 0.0)
        # Wanted moments lie on a grid, so that 24 frames a second are thinned to 5 and not to 4.8.
        self._wanted_s = (
            moment_s + self._step_s if self._wanted_s is None else max(self._wanted_s + self._step_s, moment_s)
        )
        self._shown_s = moment_s
        return gap_s

    def _advance(self) -> None:
        """Takes one packet; begins again at the end."""
        try:
            packet = self._source.packet()
        except InputEndError:
            self._end()
            return
        moment_s = self._source.time_s(packet)
        passing = False
        if self._wanted_s is not None and self._shown_s is not None and moment_s is not None:
            passing = self._shown_s - BREAK_S <= moment_s < self._wanted_s - SAME_MOMENT_S
        if not (passing and self._source.whole_pictures):
            self._waiting.extend(self._source.frames(packet, passing))

    def _end(self) -> None:
        if self._seen_s is None:
            raise CameraAbsentError(f"{self._source.shown} holds no frame that can be decoded; is the file damaged?")
        if not self._loop:
            raise CameraEndedError(f"{self._source.shown} was played to its end (camera.loop is off)")
        self._source.close()
        self._begin(self._reopen())
