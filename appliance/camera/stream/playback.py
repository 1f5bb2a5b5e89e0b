"""Cameras built from an opened input: a live camera keeps only its newest frame, a recording waits until it is read.

An input (opened by appliance/camera/stream/input.py) reads packets and decodes them to frames. This module decides
which of them are used, and when; it does not use libav.

A live input is drained by a separate thread, because unread packets would pile up in the kernel and the server and
delay every later frame. If each packet is a complete picture (MJPEG, raw), the thread keeps only the newest packet, so
only frames that are read are decoded.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from appliance.camera.source import READ_LIMIT_S
from appliance.errors import CameraAbsentError, CameraEndedError, CameraError, CameraStalledError

POLL_S = 0.01  # between two polls of a device that has no frame yet
LONGEST_WAIT_S = 2.0  # for the next frame of a recording, even if the recording is slower
TIMESTAMP_TOLERANCE_S = 0.001  # timestamps are rounded to the container's time base
DISCONTINUITY_S = 1.0  # timestamps that go back by more than this start a new timeline


class InputEndError(Exception):
    """The input has no more packets."""


class MediaInput(Protocol):
    """An opened source with one video stream. Each call ends by itself within a few seconds.

    Attributes:
        display_name: Path or address, without credentials.
        description: Name, codec, size and rate, for display.
        intra_only: Whether each packet is a complete picture, so that any packet may be skipped.
        on_demand: Whether a packet is fetched only when a reader waits for one (a snapshot).
        frame_duration_s: Nominal time between two frames.
        damaged_frames: Number of consecutive frames, up to the last one, that could not be decoded.
    """

    display_name: str
    description: str
    intra_only: bool
    on_demand: bool
    frame_duration_s: float
    damaged_frames: int

    def read_packet(self) -> Any | None:
        """Return the next packet, or None if a device has none yet.

        Raises:
            InputEndError: There are no more packets.
            CameraError: The source failed.
        """
        ...

    def decode(self, packet: Any, skippable: bool = False) -> list[Any]:
        """Return the undamaged frames that a packet completes; if `skippable`, omit non-reference frames."""
        ...

    def timestamp_s(self, item: Any) -> float | None:
        """Return the presentation time of a packet or frame in seconds, or None if it has none."""
        ...

    def convert_to_rgb(self, frame: Any) -> np.ndarray:
        """Return (height, width, 3) uint8 RGB, owned by the caller."""
        ...

    def close(self) -> None:
        """Release everything; may be called twice."""
        ...


class LiveCamera:
    """A device, stream or snapshot address: always returns its newest frame and counts the others in `dropped`."""

    live = True

    def __init__(self, source: MediaInput, first_frame_limit_s: float):
        """Start draining the input and wait for the first frame; close the input on failure.

        Args:
            source: The opened input.
            first_frame_limit_s: Longest wait for the first frame.

        Raises:
            CameraStalledError: No undamaged frame arrived.
            CameraAbsentError: The source disappeared in the meantime.
        """
        self.description = source.description
        self.dropped = 0
        self._source = source
        self._changed = threading.Condition()
        self._newest: Any | None = None  # a packet if the input is intra-only, else a frame
        self._failure: CameraError | None = None
        self._reader_waits = False
        self._closing = False
        self._thread = threading.Thread(target=self._drain, name="camera stream", daemon=True)
        self._thread.start()
        try:
            self._first: np.ndarray | None = self._read(first_frame_limit_s)
        except BaseException:
            self.close()
            raise

    def read(self) -> np.ndarray:
        """Return the newest frame; see Camera.read()."""
        first, self._first = self._first, None
        return self._read(READ_LIMIT_S) if first is None else first

    def close(self) -> None:
        """Stop draining and close the input; see Camera.close()."""
        with self._changed:
            self._closing, self._newest = True, None
            self._changed.notify_all()
        self._thread.join(READ_LIMIT_S)
        if not self._thread.is_alive():
            self._source.close()

    def _read(self, limit_s: float) -> np.ndarray:
        until_s = time.monotonic() + limit_s
        while (item := self._take(until_s)) is not None:
            frames = self._source.decode(item) if self._source.intra_only else [item]
            if frames:
                return self._source.convert_to_rgb(frames[-1])
        received = "only damaged frames" if self._source.damaged_frames else "no frames"
        raise CameraStalledError(
            f"{self._source.display_name} sent {received} for {limit_s:g} s; check the camera, cable and network"
        )

    def _take(self, until_s: float) -> Any | None:
        with self._changed:
            self._reader_waits = True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._newest is not None or self._failure is not None, until_s - time.monotonic()
            )
            self._reader_waits = False
            if self._failure is not None:
                raise self._failure
            item, self._newest = self._newest, None
            return item

    def _drain(self) -> None:
        """Run the thread; close the input only if close() gave up waiting, because a reader may hold packets."""
        try:
            while self._wait_for_demand():
                packet = self._source.read_packet()
                if packet is None:
                    time.sleep(POLL_S)
                elif self._source.intra_only:
                    self._put(packet)
                else:
                    for frame in self._source.decode(packet):
                        self._put(frame)
                del packet
        except CameraError as error:
            self._fail(error)
        except InputEndError:
            name = self._source.display_name
            self._fail(CameraAbsentError(f"{name} ended the stream; check the camera and the network"))
        except Exception as error:  # noqa: BLE001 - the reader must receive any failure
            self._fail(CameraAbsentError(f"{self._source.display_name}: reading failed with {type(error).__name__}"))
        if self._closing:
            self._source.close()

    def _wait_for_demand(self) -> bool:
        """Wait until a packet is to be fetched; return False if the camera was closed."""
        with self._changed:
            if self._source.on_demand:
                # A snapshot that was not taken yet is sufficient, because another one would hardly be newer.
                self._changed.wait_for(lambda: self._closing or (self._reader_waits and self._newest is None))
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
            # Release the unread item: a device's packet must be freed before the device is closed.
            self._failure, self._newest = error, None
            self._changed.notify_all()


class RecordedCamera:
    """A video file, played no faster than in real time.

    If it has more frames per second than wanted, frames in between are skipped by their timestamps, so that motion
    keeps its real speed. Skipped frames are not converted, and are decoded only if another frame depends on them. A
    time lapse with frames more than LONGEST_WAIT_S apart is played at one frame per LONGEST_WAIT_S.
    """

    live = False
    dropped = 0

    def __init__(self, source: MediaInput, reopen: Callable[[], MediaInput], fps: float, loop: bool):
        """Take over the opened input.

        Args:
            source: The recording, at its beginning.
            reopen: Opens the recording again.
            fps: Maximum frames per second.
            loop: Whether to start again at the end.
        """
        self.description = source.description
        self._reopen = reopen
        self._period_s = 1 / fps
        self._loop = loop
        self._due_s: float | None = None  # due time of the last frame, on the system's monotonic clock
        self._start(source)

    def read(self) -> np.ndarray:
        """Return the next frame when it is due; see Camera.read()."""
        frame, gap_s = self._select_next(time.monotonic() + READ_LIMIT_S / 2)
        pixels = self._source.convert_to_rgb(frame)
        now_s = time.monotonic()
        # A frame is never early, and a delay is not made up.
        due_s = now_s if self._due_s is None else max(self._due_s + min(gap_s, LONGEST_WAIT_S), now_s)
        time.sleep(due_s - now_s)
        self._due_s = due_s
        return pixels

    def close(self) -> None:
        """Close the input; see Camera.close()."""
        self._decoded.clear()
        self._source.close()

    def _start(self, source: MediaInput) -> None:
        # All times here are on the recording's timeline.
        self._source = source
        self._decoded: deque[Any] = deque()  # frames that have not been examined yet
        self._examined_s: float | None = None  # time of the last frame that was examined
        self._returned_s: float | None = None  # time of the last frame that was returned
        self._target_s: float | None = None  # time of the next frame to return; None: the next frame of any time

    def _select_next(self, until_s: float) -> tuple[Any, float]:
        """Return the next frame, and its distance in seconds from the one before.

        If the time limit passes while frames are skipped, the last skipped frame is returned.
        """
        skipped: tuple[Any, float] | None = None
        while True:
            while self._decoded:
                frame = self._decoded.popleft()
                time_s = self._examine(frame)
                if self._target_s is None or time_s >= self._target_s - TIMESTAMP_TOLERANCE_S:
                    return frame, self._advance_target(time_s)
                skipped = frame, time_s
            if time.monotonic() < until_s:
                self._read_ahead()
            elif skipped:
                return skipped[0], self._advance_target(skipped[1])
            else:
                raise CameraStalledError(
                    f"{self._source.display_name} arrives too slowly to be played; check the disk or the network"
                )

    def _examine(self, frame: Any) -> float:
        """Return the frame's time on the recording's timeline; start a new timeline at a discontinuity."""
        time_s = self._source.timestamp_s(frame)
        if time_s is None:
            time_s = 0.0 if self._examined_s is None else self._examined_s + self._source.frame_duration_s
        if self._returned_s is not None and time_s < self._returned_s - DISCONTINUITY_S:
            self._returned_s = self._target_s = None
        self._examined_s = time_s
        return time_s

    def _advance_target(self, time_s: float) -> float:
        """Record that the frame at `time_s` is returned; return its distance from the one before in seconds."""
        gap_s = self._source.frame_duration_s if self._returned_s is None else max(time_s - self._returned_s, 0.0)
        # Target times form a grid, so that 24 frames per second are reduced to 5 and not to 4.8.
        if self._target_s is None:
            self._target_s = time_s + self._period_s
        else:
            self._target_s = max(self._target_s + self._period_s, time_s)
        self._returned_s = time_s
        return gap_s

    def _read_ahead(self) -> None:
        """Read and decode one packet; start again at the end."""
        try:
            packet = self._source.read_packet()
        except InputEndError:
            self._restart()
            return
        time_s = self._source.timestamp_s(packet)
        skippable = False
        if self._target_s is not None and self._returned_s is not None and time_s is not None:
            skippable = self._returned_s - DISCONTINUITY_S <= time_s < self._target_s - TIMESTAMP_TOLERANCE_S
        if not (skippable and self._source.intra_only):
            self._decoded.extend(self._source.decode(packet, skippable))

    def _restart(self) -> None:
        name = self._source.display_name
        if self._examined_s is None:
            raise CameraAbsentError(f"{name} contains no frame that can be decoded; check whether it is damaged")
        if not self._loop:
            raise CameraEndedError(f"playback of {name} ended; set camera.loop = true to repeat it")
        self._source.close()
        self._start(self._reopen())
