"""A frame: the pixels of one moment, as they travel from the camera to the labeler."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture from the camera; nobody writes to its pixels once it is made.

    Attributes:
        pixels: (height, width, 3) uint8, red green blue, as the camera gave it (not yet turned upright).
        time: When it was taken, in seconds since 1970 UTC (what people and payloads read).
        monotonic_s: The same moment on time.monotonic(), which no clock correction moves (what durations use).
        number: 1 for the first frame since the program started.
    """

    pixels: np.ndarray
    time: float
    monotonic_s: float
    number: int
