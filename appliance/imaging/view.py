"""Orientation and region of a camera picture."""

from dataclasses import dataclass

from appliance.settings.schema import CameraSettings


@dataclass(frozen=True, slots=True)
class View:
    """How a frame is to be looked at.

    Attributes:
        rotation: Clockwise degrees that turn it upright: 0, 90, 180 or 270.
        hflip, vflip: Mirror left and right, top and bottom; after the rotation.
        region: (x, y, width, height) in fractions of the upright picture; None for all of it.
    """

    rotation: int = 0
    hflip: bool = False
    vflip: bool = False
    region: tuple[float, float, float, float] | None = None

    @classmethod
    def from_settings(cls, camera: CameraSettings) -> "View":
        """Return the view that the camera section of the settings describes."""
        return cls(camera.rotation, camera.hflip, camera.vflip, camera.region)
