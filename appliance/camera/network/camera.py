"""A network camera that sends single pictures over HTTP, as a live camera: read() returns the newest picture.

A stream is drained by a thread, and only pictures that are read are decoded. A snapshot is fetched by the same thread
when a reader waits for it, and a failed fetch is skipped: only a run of failures means that the camera is gone.
"""

import threading
import time

import numpy as np

from appliance.camera.network.picture_scanner import ScannedPicture
from appliance.camera.network.sources import PictureSource
from appliance.camera.silence import SilenceLimit
from appliance.camera.source import READ_LIMIT_S
from appliance.camera.stream.picture_decoder import PictureDecoder
from appliance.errors import CameraAbsentError, CameraError, CameraStalledError

# A snapshot camera is gone after this many failed fetches in a row, if they last this long.
MIN_FAILURES = 3
MIN_FAILURE_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0  # after a failed fetch


class FailureRun:
    """Failures in a row."""

    def __init__(self) -> None:
        self.count = 0
        self._since_s = 0.0

    def add(self) -> None:
        """Count a failure."""
        if not self.count:
            self._since_s = time.monotonic()
        self.count += 1

    def reset(self) -> None:
        """End the run, because something succeeded."""
        self.count = 0

    @property
    def is_lasting(self) -> bool:
        """Whether the run is long enough to mean that the camera is gone."""
        return self.count >= MIN_FAILURES and time.monotonic() - self._since_s >= MIN_FAILURE_S


class NetworkPictureCamera:
    """An MJPEG stream or a snapshot address; implements appliance.camera.Camera."""

    live = True

    def __init__(self, source: PictureSource, decoder: PictureDecoder, fps: float):
        """Start to receive; return without waiting for a picture.

        Args:
            source: The opened source.
            decoder: Decodes its pictures.
            fps: Wanted frames per second (`camera.fps`).
        """
        self.description = f"{source.display_name}: {source.kind}"
        self.dropped = 0
        self.damaged = 0
        self._source, self._decoder = source, decoder
        self._changed = threading.Condition()
        self._newest: ScannedPicture | None = None
        self._failure: CameraError | None = None
        self._reader_waits = False
        self._closing = threading.Event()
        self._silence = SilenceLimit(fps)
        self._damage = FailureRun()
        self._thread = threading.Thread(target=self._receive, name="camera stream", daemon=True)
        self._thread.start()

    def read(self) -> np.ndarray | None:
        """Return the newest picture; see Camera.read()."""
        until_s = time.monotonic() + READ_LIMIT_S
        while picture := self._take(until_s):
            pixels = self._decoder.decode(picture.content, picture.is_complete)
            if pixels is not None:
                self._damage.reset()
                height, width = pixels.shape[:2]
                kind = f"{self._decoder.format_name} {self._source.kind}".replace("JPEG MJPEG", "MJPEG")
                self.description = f"{self._source.display_name}: {kind}, {width} x {height}"
                return pixels
            self.damaged += 1
            self._damage.add()
            if self._damage.is_lasting:
                raise CameraStalledError(
                    f"{self._source.display_name} sends only damaged frames"
                    f"{f' ({self._decoder.last_error})' if self._decoder.last_error else ''};"
                    " check the camera and the network"
                )
        return None

    def close(self) -> None:
        """Stop receiving and disconnect; see Camera.close()."""
        with self._changed:
            self._closing.set()
            self._newest = None
            self._changed.notify_all()
        self._source.abort()
        self._thread.join(READ_LIMIT_S)
        if not self._thread.is_alive():
            self._source.close()

    def _take(self, until_s: float) -> ScannedPicture | None:
        """Return the newest picture; None if none arrived in time.

        Raises:
            CameraError: The source failed, or has been silent for too long.
        """
        with self._changed:
            self._reader_waits = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._newest or self._failure, max(0.0, until_s - time.monotonic()))
            self._reader_waits = False
            picture, self._newest = self._newest, None
            if picture is not None:
                return picture
            if self._failure is not None:
                raise self._failure
            if self._silence.remaining_s > 0 or self._source.on_demand:
                return None
        content = self._source.describe_content()
        fault = content or "stopped sending frames; check the camera and the network"
        raise CameraStalledError(f"{self._source.display_name} {fault}")

    def _receive(self) -> None:
        """Run the thread: receive pictures until the source fails or the camera is closed."""
        failures = FailureRun()
        while self._wait_for_demand():
            try:
                picture = self._source.fetch()
            except CameraError as error:
                failures.add()
                failure = error.with_traceback(None)  # its frames would keep the connection alive
            except Exception as error:  # noqa: BLE001 - the reader must receive any failure
                failure = CameraAbsentError(f"{self._source.display_name}: reading failed with {type(error).__name__}")
                return self._fail(failure)
            else:
                failures.reset()
                self._put(picture)
                continue
            if not self._source.on_demand or failures.is_lasting:
                return self._fail(failure)
            self._closing.wait(min(FIRST_PAUSE_S * 2 ** (failures.count - 1), LONGEST_PAUSE_S))
        return None

    def _wait_for_demand(self) -> bool:
        """Wait until a picture is to be received; return False if the camera was closed."""
        with self._changed:
            if self._source.on_demand:
                self._changed.wait_for(lambda: self._closing.is_set() or (self._reader_waits and self._newest is None))
            return not self._closing.is_set()

    def _put(self, picture: ScannedPicture) -> None:
        with self._changed:
            self._silence.note_arrival()
            if self._newest is not None:
                self.dropped += 1
            self._newest = picture
            self._changed.notify_all()

    def _fail(self, error: CameraError) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()
