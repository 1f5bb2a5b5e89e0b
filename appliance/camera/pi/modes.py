"""Choose what to request from a Pi camera: the size of the picture, and the sensor mode.

The image processor of a Pi scales at no cost, so a picture of about the model's input size is cheapest. But a small
picture must not come from a sensor mode that covers only the middle of the view; libcamera would choose such a mode if
only a small size were requested.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

ALIGN_PX = 64  # every Pi's image processor writes widths that are multiples of this without padding or rounding
MIN_SIDE_PX = 192  # below this, the image processor's scaler reaches its limits, and nothing is saved


def choose_stream_size(wanted_px: tuple[int, int], sensor_px: tuple[int, int]) -> tuple[int, int]:
    """Return the smallest aligned size with the sensor's aspect ratio and at least the wanted sides.

    Any other aspect ratio would cut off part of the sensor's view.

    Args:
        wanted_px: (width, height) that is sufficient.
        sensor_px: (width, height) of the whole sensor; the result is never larger.
    """
    ratio = Fraction(*sensor_px)
    wanted_width, wanted_height = (max(side, MIN_SIDE_PX) for side in wanted_px)
    width = _round_up(max(Fraction(wanted_width), wanted_height * ratio), ALIGN_PX)
    height = max(_round_up(Fraction(wanted_height), 2), round(width / ratio / 2) * 2)
    return min(width, sensor_px[0]), min(height, sensor_px[1])


def _round_up(value: Fraction, step: int) -> int:
    return int(-(-value // step) * step)


def choose_full_view_mode(
    modes: Sequence[Mapping[str, Any]], size_px: tuple[int, int], fps: float
) -> Mapping[str, Any] | None:
    """Return the cheapest sensor mode that covers the whole view; None if no mode states its view.

    Args:
        modes: As in Picamera2.sensor_modes: "size", "crop_limits" (x, y, width, height on the sensor), "fps",
            "bit_depth".
        size_px: (width, height) of the picture; modes of at least this size are preferred.
        fps: Frames per second; among the remaining modes, those that are fast enough are preferred.
    """
    modes = [mode for mode in modes if "crop_limits" in mode]
    if not modes:
        return None
    widest = max(_view_area(mode) for mode in modes)
    # Modes of one sensor differ by a few lines at the edges.
    candidates = [mode for mode in modes if _view_area(mode) >= 0.95 * widest]
    large = [mode for mode in candidates if mode["size"][0] >= size_px[0] and mode["size"][1] >= size_px[1]]
    candidates = large or candidates
    candidates = [mode for mode in candidates if mode["fps"] >= fps] or candidates
    return min(candidates, key=lambda mode: (mode["size"][0] * mode["size"][1], mode["bit_depth"]))


def _view_area(mode: Mapping[str, Any]) -> int:
    _, _, width, height = mode["crop_limits"]
    return int(width * height)
