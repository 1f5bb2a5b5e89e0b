"""Run the camera and the model in this process, without a daemon, broker or updates."""

import contextlib
import threading
import time
from itertools import count
from typing import Any, Self

import numpy as np

from appliance import __version__
from appliance.camera.capture import Capture
from appliance.camera.open import open_camera
from appliance.daemon.active_model import read_bundle_in_force
from appliance.daemon.camera_setup import SNAPSHOT_PX
from appliance.daemon.latest_result import LatestResult
from appliance.daemon.meter import Meter
from appliance.daemon.pipeline import Pipeline
from appliance.errors import CameraStalledError
from appliance.imaging.frame_slot import FrameSlot
from appliance.imaging.view import View
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import CameraSettings, Settings

_JOIN_LIMIT_S = 5.0
# A camera adapts to the light with its first frames.
_SETTLE_S = 1.0
_FRAME_LIMIT_S = 20.0


class LocalDevice:
    """A camera and a model that label in two threads while the context is open."""

    def __init__(self, settings: Settings):
        """Load the model.

        Args:
            settings: Valid settings.

        Raises:
            ApplianceError: The model cannot be loaded.
        """
        self._view = View.from_settings(settings.camera)
        self._labeler = Labeler(
            read_bundle_in_force(settings.labeler.model, settings.camera.source),
            runtime=settings.labeler.runtime,
            threads=settings.labeler.threads,
            view=self._view,
        )
        self._latest, slot, numbers = LatestResult(), FrameSlot(), count(1)
        self._pipeline = Pipeline(
            slot, settings.labeler, settings.events, self._latest, lambda: f"local-{next(numbers)}", Meter()
        )
        self._pipeline.use(self._pipeline.prepare(self._labeler, None))
        self._capture = Capture(
            lambda: open_camera(settings.camera, SNAPSHOT_PX),
            settings.camera.fps,
            slot,
            lambda status: self._pipeline.note_camera(status.state),
        )
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._pipeline.run, self._capture.run)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.stop()
        self._pipeline.stop()
        for thread in self._threads:
            thread.join(_JOIN_LIMIT_S)

    def observe(self) -> dict[str, Any]:
        """Return the state and the newest scores, in the form of the daemon's answer to `observe`."""
        camera, last_s = self._capture.status, self._capture.last_frame_s
        return {
            "version": __version__,
            "device": None,
            "camera": {
                "state": camera.state,
                "reason": camera.reason,
                "description": camera.description,
                "last_frame_age_s": None if last_s is None else round(time.monotonic() - last_s, 2),
            },
            "model": self._labeler.identity.as_dict(),
            "runtime": self._labeler.runtime,
            "labeling_trouble": self._pipeline.error,
            **self._latest.describe(),
        }


def capture_frame(settings: CameraSettings) -> np.ndarray:
    """Open the camera and return a frame, when it has adapted to the light.

    Args:
        settings: The camera section.

    Returns:
        (height, width, 3) uint8 RGB, as delivered by the camera.

    Raises:
        CameraError: The camera delivers no frame.
    """
    camera = open_camera(settings, SNAPSHOT_PX)
    with contextlib.closing(camera):
        started_s, pixels = time.monotonic(), None
        while pixels is None or (camera.live and time.monotonic() < started_s + _SETTLE_S):
            read = camera.read()
            pixels = pixels if read is None else read
            if pixels is None and time.monotonic() > started_s + _FRAME_LIMIT_S:
                raise CameraStalledError(f"{camera.description} delivers no frames; check the camera and its cable")
        return pixels
