"""Decode pictures of clients within limits that protect a small machine's memory."""

import io

import numpy as np

from appliance.errors import PictureError
from appliance.imaging.files import detect_picture_format, read_picture

MAX_PX = 40_000_000
"""Of a JPEG, which is decoded at a fraction of its size if that suffices."""
MAX_OTHER_PX = 16_000_000
"""Of the other formats, which are decoded whole: 3 bytes a pixel, twice."""
_HEAD_BYTES = 16
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")


def decode_picture(data: bytes, name: str, least_px: int | None = None) -> np.ndarray:
    """Return the pixels of a picture, (height, width, 3) uint8 RGB, upright.

    Args:
        data: The file.
        name: The name for errors.
        least_px: The smallest sufficient length of each side; see read_picture.

    Raises:
        PictureError: It is no picture, has too many pixels, or is damaged.
    """
    form = detect_picture_format(data[:_HEAD_BYTES])
    if form not in _FORMATS:
        raise PictureError(f"{name} is not a picture in a known format; send a JPEG, PNG, WebP, GIF or BMP")
    return read_picture(io.BytesIO(data), name, least_px, MAX_PX if form == "JPEG" else MAX_OTHER_PX)
