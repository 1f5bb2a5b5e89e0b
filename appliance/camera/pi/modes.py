"""What to ask a Pi's camera for: the size of its picture, and the sensor mode behind it.

The image processor of a Pi scales for nothing, so a picture of about the model's input size is the cheapest; but
a small picture must not come from a mode of the sensor that sees only the middle, which is what libcamera takes
when it is asked for nothing but a small picture.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

ALIGN_PX = 64  # a width that every Pi's image processor writes without padding or rounding
SMALLEST_PX = 192  # below it the image processor's scaler has its limits, and nothing is saved


def choose_stream_size(wanted_px: tuple[int, int], sensor_px: tuple[int, int]) -> tuple[int, int]:
    """The smallest aligned size in the sensor's shape whose sides are at least the wanted ones.

    The sensor's shape, because any other would cut off part of what it sees.

    Args:
        wanted_px: (width, height) that is enough.
        sensor_px: (width, height) of the whole sensor; nothing larger is returned.
    """
    shape = Fraction(*sensor_px)
    width, height = (max(side, SMALLEST_PX) for side in wanted_px)
    width = _up(max(width, height * shape), ALIGN_PX)
    height = max(_up(height, 2), round(width / shape / 2) * 2)
    return min(width, sensor_px[0]), min(height, sensor_px[1])


def _up(value: float | Fraction, step: int) -> int:
    return int(-(-value // step) * step)


def choose_full_view_mode(
    modes: Sequence[Mapping[str, Any]], size_px: tuple[int, int], fps: float
) -> Mapping[str, Any] | None:
    """The cheapest of a sensor's modes that shows all the sensor sees; None when the modes say nothing of that.

    Args:
        modes: As Picamera2.sensor_modes gives them: "size", "crop_limits" (x, y, width, height on the sensor),
            "fps", "bit_depth".
        size_px: The picture's size: a mode of at least that size is preferred,
        fps: then one that is fast enough.
    """
    modes = [mode for mode in modes if "crop_limits" in mode]
    if not modes:
        return None
    widest = max(_view(mode) for mode in modes)
    # Modes of one sensor differ by a few lines at the edges.
    whole = [mode for mode in modes if _view(mode) >= 0.95 * widest]
    for fits in (
        lambda mode: mode["size"][0] >= size_px[0] and mode["size"][1] >= size_px[1],
        lambda mode: mode["fps"] >= fps,
    ):
        whole = [mode for mode in whole if fits(mode)] or whole
    return min(whole, key=lambda mode: (mode["size"][0] * mode["size"][1], mode["bit_depth"]))


def _view(mode: Mapping[str, Any]) -> int:
    return mode["crop_limits"][2] * mode["crop_limits"][3]
