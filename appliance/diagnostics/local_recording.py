"""Record pictures for training in this process, with a camera that the command opens."""

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from appliance.camera.capture import Capture
from appliance.camera.open import open_camera
from appliance.collection.folder import FOLDER_NAME
from appliance.daemon.camera_setup import SNAPSHOT_PX
from appliance.errors import CameraStalledError, TeachingError
from appliance.imaging.frame_slot import FrameSlot
from appliance.imaging.view import View
from appliance.labeling.preprocess import crop
from appliance.settings.schema import Settings
from appliance.teaching.recorder import RecordableFrame, TeachingRecorder
from appliance.teaching.store import DatasetStore
from appliance.teaching.wording import Target

if TYPE_CHECKING:
    from appliance.imaging.frame import Frame

_JOIN_LIMIT_S = 5.0
# A camera adapts to the light with its first frames.
_SETTLE_S = 1.0
_FRAME_LIMIT_S = 20.0


class LocalRecording:
    """A camera whose frames are recorded into the dataset of a state folder while the context is open."""

    def __init__(self, settings: Settings, state: Path):
        """Prepare; the camera is opened when the context is entered.

        Args:
            settings: Valid settings.
            state: The state folder, which exists.
        """
        camera = settings.camera
        self._view = View.from_settings(camera)
        self._slot = FrameSlot()
        self._frame: Frame | None = None
        self._capture = Capture(
            lambda: open_camera(camera, SNAPSHOT_PX), camera.fps, self._slot, lambda _status: None
        )  # fmt: skip
        self._thread = threading.Thread(target=self._capture.run, name="capture", daemon=True)
        self.store = DatasetStore(
            state, lambda: settings.collect.dir or state / FOLDER_NAME, lambda: settings.collect.max_bytes
        )
        self._recorder = TeachingRecorder(self.store, self._latest)

    def __enter__(self) -> Self:
        """Open the camera, and wait until it has adapted to the light.

        Raises:
            CameraError: It delivers no frame.
        """
        self._thread.start()
        try:
            self._wait_for_frames()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(TeachingError):
            self._recorder.stop()
        self._capture.stop()
        self._thread.join(_JOIN_LIMIT_S)

    def record(self, target: Target, every_s: float, count: int, only_renew: bool) -> dict[str, Any]:
        """Start or renew a recording; return its state (see TeachingRecorder)."""
        return self._recorder.record(target, every_s, count, only_renew)

    def stop(self) -> dict[str, Any]:
        """End the recording; return its final state."""
        return self._recorder.stop()

    def _wait_for_frames(self) -> None:
        started_s = time.monotonic()
        while self._latest() is None:
            if time.monotonic() - started_s > _FRAME_LIMIT_S:
                reason = self._capture.status.reason or "the camera delivers no frames; check the camera and its cable"
                raise CameraStalledError(reason)
            time.sleep(0.05)
        time.sleep(_SETTLE_S)

    def _latest(self) -> RecordableFrame | None:
        self._frame = self._slot.get(0) or self._frame
        if (frame := self._frame) is None:
            return None
        return RecordableFrame(
            frame.number, frame.time, frame.monotonic_s, lambda: crop(frame.pixels, self._view)
        )  # fmt: skip
