"""Play a recording from an opened input: it waits until it is read.

An input (opened by appliance/camera/stream/input.py) reads packets and decodes them to frames. This module and live.py
decide which of them are used, and when; they do not use libav.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from appliance.camera.source import READ_LIMIT_S
from appliance.camera.stream.timing import KeyFrameSchedule
from appliance.errors import CameraAbsentError, CameraEndedError, CameraStalledError

LONGEST_WAIT_S = 2.0  # for the next frame of a recording, even if the recording is slower
TIMESTAMP_TOLERANCE_S = 0.001  # timestamps are rounded to the container's time base
DISCONTINUITY_S = 1.0  # timestamps that go back by more than this start a new timeline


class InputEndError(Exception):
    """The input has no more packets."""


class MediaInput(Protocol):
    """A source with one video stream. Each call ends by itself within its time limit, or after abort().

    Attributes:
        display_name: Path or address, without credentials.
        intra_only: Whether each packet is a complete picture, so that any packet may be skipped; valid once open.
        is_playlist: Whether whole segments arrive at once (HLS); valid once open.
        may_be_file: Whether the source may be a file whose size the server does not name.
        frame_duration_s: Nominal time between two frames; valid once open.
        damaged: Number of damaged frames, with those that depend on them.
        damaged_in_row: Number of damaged frames since the last sound one.
    """

    display_name: str
    intra_only: bool
    is_playlist: bool
    may_be_file: bool
    frame_duration_s: float

    @property
    def description(self) -> str:
        """Name, codec, size and rate, for display."""
        ...

    @property
    def damaged(self) -> int:
        """See above."""
        ...

    @property
    def damaged_in_row(self) -> int:
        """See above."""
        ...

    def open(self) -> None:
        """Open the source, unless it is open.

        Raises:
            CameraError: It cannot be opened.
        """
        ...

    def read_packet(self) -> Any | None:
        """Return the next packet (attributes `time_s`, `is_key`), or None if a device has none yet.

        Raises:
            InputEndError: There are no more packets.
            CameraError: The source failed.
        """
        ...

    def decode(self, packet: Any, skippable: bool = False) -> list[Any]:
        """Return the undamaged frames that a packet completes; if `skippable`, omit non-reference frames."""
        ...

    def decode_alone(self, packet: Any) -> list[Any]:
        """Return the undamaged frame of a key frame's packet at once, forgetting all packets before it."""
        ...

    def timestamp_s(self, item: Any) -> float | None:
        """Return the presentation time of a frame in seconds, or None if it has none."""
        ...

    def convert_to_rgb(self, frame: Any) -> np.ndarray:
        """Return (height, width, 3) uint8 RGB, owned by the caller."""
        ...

    def abort(self) -> None:
        """Make a call in progress and all later ones fail soon; any thread may call it."""
        ...

    def close(self) -> None:
        """Release everything; may be called twice."""
        ...


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
        self._reopen = reopen
        self._fps = fps
        self._damaged_before = 0  # in earlier rounds
        self._period_s = 1 / fps
        self._loop = loop
        self._due_s: float | None = None  # due time of the last frame, on the system's monotonic clock
        self._start(source)

    @property
    def description(self) -> str:
        """Name, codec, size and rate."""
        return self._source.description

    @property
    def damaged(self) -> int:
        """Number of damaged frames, with those that depend on them."""
        return self._damaged_before + self._source.damaged

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
        self._schedule = KeyFrameSchedule(self._fps)
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
        if packet is None:
            return
        time_s = packet.time_s
        skippable = False
        if self._target_s is not None and self._returned_s is not None and time_s is not None:
            skippable = self._returned_s - DISCONTINUITY_S <= time_s < self._target_s - TIMESTAMP_TOLERANCE_S
        if self._source.intra_only:
            self._decoded.extend([] if skippable else self._source.decode(packet))
            return
        if packet.is_key and time_s is not None:
            self._schedule.note_key_frame(time_s)
        if not self._schedule.is_key_only:
            self._decoded.extend(self._source.decode(packet, skippable))
        elif packet.is_key and not skippable:
            self._decoded.extend(self._source.decode_alone(packet))

    def _restart(self) -> None:
        name = self._source.display_name
        if self._examined_s is None:
            raise CameraAbsentError(f"{name} contains no frame that can be decoded; check whether it is damaged")
        if not self._loop:
            raise CameraEndedError(f"playback of {name} ended; set camera.loop = true to repeat it")
        self._damaged_before += self._source.damaged
        self._source.close()
        self._start(self._reopen())
