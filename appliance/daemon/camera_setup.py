"""Connect the camera to the other parts: request its frame size, and react to changes of its state."""

from collections.abc import Callable

from appliance.camera.capture import CameraStatus
from appliance.camera.open import open_camera
from appliance.camera.source import Camera
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.device_switches import DeviceSwitches
from appliance.daemon.live_settings import LiveSettings
from appliance.daemon.pipeline import Pipeline

# Snapshots and collected frames are for people, who need more than the model's input size.
SNAPSHOT_PX = (1280, 720)
# The page and the history show pictures whose longest side is 640 pixels.
PAGE_PX = (640, 480)


class CameraOpener:
    """Open the camera of the current settings, with a frame size that suits the active model."""

    def __init__(self, live: LiveSettings, active: ActiveModel, switches: DeviceSwitches, has_pictures: bool = False):
        """Keep references to the parts that decide about the size.

        Args:
            live: The current settings.
            active: The active model.
            switches: The switches that require large frames.
            has_pictures: Whether the page or the history shows frames.
        """
        self._live = live
        self._active = active
        self._switches = switches
        self._has_pictures = has_pictures

    def open(self) -> Camera:
        """Open the camera.

        Raises:
            CameraError: The camera cannot be opened now.
        """
        return open_camera(self._live.settings.camera, self.wanted_px(self._active.current.input_px))

    def wanted_px(self, input_px: tuple[int, int]) -> tuple[int, int]:
        """Return the (width, height) at which the region of the picture has at least the model's input size.

        Args:
            input_px: The model's input (width, height).
        """
        _, _, width, height = self._live.view.region or (0.0, 0.0, 1.0, 1.0)
        wanted = round(input_px[0] / width), round(input_px[1] / height)
        if self._live.view.rotation in (90, 270):
            wanted = wanted[::-1]
        if self._switches.wants_large_frames:
            wanted = max(wanted[0], SNAPSHOT_PX[0]), max(wanted[1], SNAPSHOT_PX[1])
        elif self._has_pictures:
            wanted = max(wanted[0], PAGE_PX[0]), max(wanted[1], PAGE_PX[1])
        return wanted


class CameraStatusHandler:
    """Pass changes of the camera's state on to the parts that depend on frames."""

    def __init__(self, pipeline: Pipeline, request_stats: Callable[[], None]):
        """Keep references to the parts that depend on frames.

        Args:
            pipeline: Holds the open events.
            request_stats: Requests that T/stats be published soon.
        """
        self._pipeline = pipeline
        self._request_stats = request_stats

    def on_change(self, status: CameraStatus) -> None:
        """Handle a new camera status; called on the capture thread, and does not block."""
        self._pipeline.note_camera(status.state)
        self._request_stats()
