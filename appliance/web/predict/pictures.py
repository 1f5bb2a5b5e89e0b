"""Decode pictures of clients within limits that protect a small machine's memory."""

import io

import numpy as np

from appliance.errors import PictureError
from appliance.imaging.files import detect_picture_format, read_picture, read_picture_size

MAX_PX = 40_000_000
_HEAD_BYTES = 16
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")


def decode_picture(data: bytes, name: str, least_px: int | None = None) -> np.ndarray:
    """Return the pixels of a picture, (height, width, 3) uint8 RGB, upright.

    Args:
        data: The file.
        name: The name for errors.
        least_px: The smallest sufficient length of each side; see read_picture.

    Raises:
        PictureError: It is no picture, has more than 40 million pixels, or is damaged.
    """
    if detect_picture_format(data[:_HEAD_BYTES]) not in _FORMATS:
        raise PictureError(f"{name} is not a picture in a known format; send a JPEG, PNG, WebP, GIF or BMP")
    width, height = read_picture_size(io.BytesIO(data), name)
    if width * height > MAX_PX:
        raise PictureError(
            f"{name} has {width} x {height} pixels, more than the limit of {MAX_PX // 1_000_000} million"
        )
    return read_picture(io.BytesIO(data), name, least_px)
