"""Choose the pictures whose values determine how int8 stores the layers of the general labeler."""

from collections.abc import Iterator

import cv2
import numpy as np

from appliance.workshop.models.photographs import read_photographs
from appliance.workshop.training.lite0.architecture import SIDE_PX

# The pictures whose values determine the ranges, for each set; 360 in all.
CALIBRATED_ON = {"flowers": 200, "clothing": 120, "sign_digits": 40}


def shrink(pixels: np.ndarray) -> np.ndarray:
    """Resize a picture as the labeler does; return (224, 224, 3) uint8."""
    resized: np.ndarray = cv2.resize(pixels, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
    return resized


def read_calibration_pictures() -> Iterator[np.ndarray]:
    """Yield pictures of the training parts, the same ones each time."""
    for name, count in CALIBRATED_ON.items():
        photographs = list(read_photographs(name, "train"))
        for index in np.linspace(0, len(photographs) - 1, count).astype(int):
            yield shrink(photographs[index].pixels)
