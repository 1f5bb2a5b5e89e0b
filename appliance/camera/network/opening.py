"""A camera that is still being opened: the wait for a slow server is divided into short calls, and can be ended.

Opening an http(s) address needs the first response, for which a slow camera may take many seconds.
"""

import threading
from collections.abc import Callable

import numpy as np

from appliance.camera.source import READ_LIMIT_S, Camera
from appliance.errors import ApplianceError, CameraAbsentError


class OpeningCamera:
    """Opens a camera on a separate thread, and then passes its frames on; implements appliance.camera.Camera."""

    def __init__(self, open_camera: Callable[[], Camera], abort: Callable[[], None], name: str):
        """Start to open the camera.

        Args:
            open_camera: Opens the camera; may take long.
            abort: Makes `open_camera` end; called from another thread.
            name: The camera's name for display, until it is open.
        """
        self.description = name
        self.live = True
        self._open_camera, self._abort = open_camera, abort
        self._camera: Camera | None = None
        self._error: ApplianceError | None = None
        self._lock = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._open, name="camera opening", daemon=True)
        self._thread.start()

    def wait(self, limit_s: float) -> Camera | None:
        """Return the opened camera, or None if opening takes longer.

        Raises:
            ApplianceError: The camera cannot be opened.
        """
        self._thread.join(limit_s)
        if self._error is not None:
            raise self._error
        return self._camera

    @property
    def dropped(self) -> int:
        """Number of frames that were replaced; see Camera.dropped."""
        return self._camera.dropped if self._camera else 0

    @property
    def damaged(self) -> int:
        """Number of frames that were withheld; see Camera.damaged."""
        return self._camera.damaged if self._camera else 0

    def read(self) -> np.ndarray | None:
        """Return the newest frame; see Camera.read()."""
        camera = self.wait(READ_LIMIT_S)
        if camera is None:
            return None
        pixels = camera.read()
        self.description, self.live = camera.description, camera.live
        return pixels

    def close(self) -> None:
        """End the opening, or close the opened camera; see Camera.close()."""
        with self._lock:
            self._closing = True
            camera = self._camera
        self._abort()
        self._thread.join(READ_LIMIT_S)
        if camera:
            camera.close()

    def _open(self) -> None:
        try:
            camera = self._open_camera()
        except ApplianceError as error:
            self._error = error.with_traceback(None)
            return
        except Exception as error:  # noqa: BLE001 - the reader must receive any failure
            self._error = CameraAbsentError(f"{self.description}: opening failed with {type(error).__name__}")
            return
        with self._lock:
            self._camera = camera
            is_late = self._closing
        if is_late:
            camera.close()
