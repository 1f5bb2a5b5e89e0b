"""A frame: one picture on its way from the camera to the labeler."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture from the camera; its pixels must not be written to.

    Attributes:
        pixels: (height, width, 3) uint8 RGB as delivered by the camera, not yet turned upright.
        time: Capture time in seconds since 1970-01-01 UTC, for payloads.
        monotonic_s: The same moment on time.monotonic(), which clock corrections do not change, for durations.
        number: 1 for the first frame since the program started.
    """

    pixels: np.ndarray
    time: float
    monotonic_s: float
    number: int
