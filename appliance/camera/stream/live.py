"""A live camera on an opened input: keeps only the newest frame.

The input is opened and drained by a separate thread, because unread packets would pile up in the kernel and the server
and delay every later frame. If each packet is a complete picture (MJPEG, raw), or if key frames suffice for the wanted
rate, the thread keeps only the newest packet, so only frames that are read are decoded.
"""

import threading
import time
from typing import Any

import numpy as np

from appliance.camera.silence import FIRST_LIMIT_S, SHORTEST_LIMIT_S, SilenceLimit
from appliance.camera.source import READ_LIMIT_S
from appliance.camera.stream.playback import InputEndError, MediaInput
from appliance.camera.stream.timing import KeyFrameSchedule, Pace
from appliance.errors import CameraAbsentError, CameraEndedError, CameraError, CameraStalledError

POLL_S = 0.01  # between two polls of a device that has no frame yet
# While packets arrive: until a key frame follows the beginning or a damaged frame.
KEY_FRAME_LIMIT_S = 60.0
PLAYLIST_SILENCE_S = 30.0  # segments arrive as a whole, and last up to 10 s


class LiveCamera:
    """A device or stream: always returns its newest frame and counts the others in `dropped`."""

    live = True

    def __init__(self, source: MediaInput, fps: float, *, loop: bool = True, first_limit_s: float = FIRST_LIMIT_S):
        """Start to open and drain the input; wait a moment for the first frame, to report faults at once.

        Args:
            source: The input; the thread opens it unless it is open.
            fps: Wanted frames per second (`camera.fps`).
            loop: Whether to start again at the end, if the source turns out to be a file.
            first_limit_s: Seconds until a source that has sent nothing is silent.

        Raises:
            CameraError: The input cannot be opened, or failed before the first frame.
        """
        self.dropped = 0
        self._loop = loop
        self._source = source
        self._silence = SilenceLimit(fps, first_s=first_limit_s)
        self._schedule = KeyFrameSchedule(fps)
        self._changed = threading.Condition()
        self._decoding = threading.Lock()
        self._newest: tuple[Any, bool] | None = None  # a frame, or a packet that is to be decoded when it is read
        self._failure: CameraError | None = None
        self._reader_waits = False
        self._waits_since_s = time.monotonic()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._drain, name="camera stream", daemon=True)
        self._thread.start()
        try:
            self._first = self._read(READ_LIMIT_S)
        except BaseException:
            self.close()
            raise

    @property
    def description(self) -> str:
        """Name, codec, size and rate, as far as they are known."""
        return self._source.description

    @property
    def damaged(self) -> int:
        """Number of damaged frames, with those that depend on them."""
        return self._source.damaged

    def read(self) -> np.ndarray | None:
        """Return the newest frame; see Camera.read()."""
        first, self._first = self._first, None
        return self._read(READ_LIMIT_S) if first is None else first

    def close(self) -> None:
        """Stop draining and close the input; see Camera.close()."""
        with self._changed:
            self._closing.set()
            self._newest = None
            self._changed.notify_all()
        self._source.abort()
        self._thread.join(READ_LIMIT_S)
        if not self._thread.is_alive():
            self._source.close()

    def _read(self, limit_s: float) -> np.ndarray | None:
        until_s = time.monotonic() + limit_s
        while (item := self._take(until_s)) is not None:
            newest, is_packet = item
            with self._decoding:
                frames = self._decode_alone(newest) if is_packet else [newest]
            if frames:
                pixels = self._source.convert_to_rgb(frames[-1])
                self._waits_since_s = time.monotonic()
                return pixels
        self._check_silence()
        return None

    def _decode_alone(self, packet: Any) -> list[Any]:
        return self._source.decode(packet) if self._source.intra_only else self._source.decode_alone(packet)

    def _check_silence(self) -> None:
        """Raise CameraStalledError if the source sends nothing, or nothing usable, for longer than its limit."""
        if self._closing.is_set():
            return
        silent_s = self._silence.silent_s
        name = self._source.display_name
        if self._silence.remaining_s <= 0:
            what = "stopped sending frames" if self._silence.has_arrivals else "sent no frames"
            raise CameraStalledError(f"{name} {what} for {silent_s:.0f} s; check the camera and the network")
        limit_s = max(KEY_FRAME_LIMIT_S if not self._source.intra_only else READ_LIMIT_S, self._silence.limit_s)
        waited_s = time.monotonic() - self._waits_since_s
        if self._silence.has_arrivals and waited_s >= limit_s:
            received = "only damaged frames" if self._source.damaged_in_row else "no complete frames"
            raise CameraStalledError(
                f"{name} sent {received} for {waited_s:.0f} s; check the camera, cable and network"
            )

    def _take(self, until_s: float) -> tuple[Any, bool] | None:
        with self._changed:
            self._reader_waits = True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._newest is not None or self._failure is not None or self._closing.is_set(),
                min(until_s - time.monotonic(), self._silence.remaining_s + POLL_S),
            )
            self._reader_waits = False
            if self._failure is not None and self._newest is None:
                # A new one each time: with its traceback, a stored error would keep this object and the decoder alive.
                raise type(self._failure)(*self._failure.args)
            item, self._newest = self._newest, None
            return item

    def _drain(self) -> None:
        """Run the thread; close the input only if close() gave up waiting, because a reader may hold packets."""
        try:
            while not self._closing.is_set():
                self._source.open()
                self._drain_packets()
                self._restart()
        except CameraError as error:
            self._fail(error)
        except InputEndError:
            name = self._source.display_name
            self._fail(CameraAbsentError(f"{name} ended the stream; check the camera and the network"))
        except Exception as error:  # noqa: BLE001 - the reader must receive any failure
            self._fail(CameraAbsentError(f"{self._source.display_name}: reading failed with {type(error).__name__}"))
        if self._closing.is_set():
            self._source.close()

    def _restart(self) -> None:
        """Close a file that has ended, to play it again.

        Raises:
            CameraEndedError: It is not to be repeated.
        """
        if not self._loop:
            raise CameraEndedError(
                f"playback of {self._source.display_name} ended; set camera.loop = true to repeat it"
            )
        with self._decoding:
            self._source.close()

    def _drain_packets(self) -> None:
        """Use packets until the camera is closed, or a file has ended."""
        is_playlist = self._source.is_playlist
        self._silence.shortest_s = PLAYLIST_SILENCE_S if is_playlist else SHORTEST_LIMIT_S
        pace = Pace(is_playlist) if self._source.may_be_file else None
        while not self._closing.is_set():
            try:
                packet = self._source.read_packet()
            except (InputEndError, CameraError):
                if pace is None or not pace.is_file:
                    raise
                self._closing.wait(pace.rest_s)
                return
            if packet is None:
                time.sleep(POLL_S)
                continue
            if pace is not None and (early_s := pace.wait_s(packet.time_s)) > 0:
                self._closing.wait(early_s)
            with self._changed:
                self._silence.note_arrival(packet.time_s)
            self._use(packet)

    def _use(self, packet: Any) -> None:
        """Decode a packet, or keep or drop it undecoded."""
        if self._source.intra_only:
            self._put(packet, is_packet=True)
            return
        if packet.is_key:
            self._schedule.note_key_frame(time.monotonic() if packet.time_s is None else packet.time_s)
        if not self._schedule.is_key_only:
            with self._decoding:
                frames = self._source.decode(packet)
            for frame in frames:
                self._put(frame, is_packet=False)
        elif packet.is_key and self._reader_waits:
            self._put(packet, is_packet=True)
        else:
            self.dropped += 1

    def _put(self, item: Any, is_packet: bool) -> None:
        with self._changed:
            if self._closing.is_set():
                return
            if self._newest is not None:
                self.dropped += 1
            self._newest = item, is_packet
            self._changed.notify_all()

    def _fail(self, error: CameraError) -> None:
        with self._changed:
            # A copy, because the traceback of the error keeps the thread's objects alive. The unread item is released,
            # because a device's packet must be freed before the device is closed.
            self._failure, self._newest = type(error)(*error.args), None
            self._changed.notify_all()
