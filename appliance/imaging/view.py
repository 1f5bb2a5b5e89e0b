"""The orientation and the region of a camera picture."""

from dataclasses import dataclass, replace
from typing import Literal

from appliance.settings.schema import CameraSettings


@dataclass(frozen=True, slots=True)
class View:
    """How a frame is turned upright and which part of it is labeled.

    Attributes:
        rotation: Clockwise rotation in degrees that turns the frame upright: 0, 90, 180 or 270.
        hflip: Whether to mirror left and right, after the rotation.
        vflip: Whether to mirror top and bottom, after the rotation.
        region: (x, y, width, height) in fractions of the upright picture; None for all of it.
        is_square: Whether only the largest square at the center of the region is labeled.
    """

    rotation: int = 0
    hflip: bool = False
    vflip: bool = False
    region: tuple[float, float, float, float] | None = None
    is_square: bool = False

    @classmethod
    def from_settings(cls, camera: CameraSettings) -> "View":
        """Return the view that the camera section of the settings describes."""
        return cls(camera.rotation, camera.hflip, camera.vflip).with_region(camera.region)

    def with_region(self, region: tuple[float, float, float, float] | Literal["square"] | None) -> "View":
        """Return the view of a part of the picture: (x, y, width, height), or "square" for its center."""
        if region == "square":
            return replace(self, region=None, is_square=True)
        return replace(self, region=region, is_square=False)
