"""Convert a camera frame to the model's input: orientation, region, resize, normalization.

The result is defined as follows: turn the frame upright (rotation, then flips), cut out the region, and stretch it to
the input size, bilinearly without antialiasing (half-pixel centers). Existing models keep their published accuracy with
this resize; an antialiased one lowers it. The steps run in a different order, which takes a tenth of the time: the
region is mapped back onto the frame as delivered, cut out without copying, and resized, and only the small picture is
rotated and flipped. Bilinear interpolation treats both axes and both ends alike, so the result is the same except for
rounding.
"""

from typing import Any

import cv2
import numpy as np

from appliance.imaging.view import View

# For pictures of the model's input size, OpenCV's thread pool saves no time, and it uses time on other cores.
cv2.setNumThreads(1)

_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def turn_upright(pixels: np.ndarray, view: View) -> np.ndarray:
    """Turn the whole picture upright (rotation and flips, no region).

    Args:
        pixels: (height, width, 3) uint8.
        view: The picture's orientation.

    Returns:
        The upright picture; `pixels` itself if the view has neither a rotation nor a flip.
    """
    result: Any = pixels
    if view.rotation:
        result = cv2.rotate(result, _ROTATIONS[view.rotation])
    flip = _flip_code(view)
    if flip is not None:
        result = cv2.flip(result, flip)
    upright: np.ndarray = result
    return upright


def crop(pixels: np.ndarray, view: View) -> np.ndarray:
    """Return the upright region of a frame: exactly the pixels that are then resized for the model.

    Args:
        pixels: (height, width, 3) uint8, as delivered by the camera.
        view: Orientation and region.

    Returns:
        (height, width, 3) uint8; shares memory with `pixels` unless rotated or flipped.
    """
    return turn_upright(pixels[map_region(view, pixels.shape[:2])], view)


class Preprocessor:
    """Converts frames with one view to inputs of one shape; each call reuses the buffers of the previous one."""

    def __init__(
        self,
        view: View,
        size_px: tuple[int, int],
        dtype: np.dtype,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
    ) -> None:
        """Allocate the buffers for one input shape.

        Args:
            view: Orientation and region of the frames.
            size_px: (width, height) of the input.
            dtype: uint8 gets the pixels unchanged, int8 gets the pixels − 128 (quantized models expect this, because
                their scale already includes the normalization), and float32 gets (pixels − mean) / std.
            mean: One value, or one per channel; 127.5 by default (float32 only).
            std: See `mean`.
        """
        width, height = size_px
        swaps_sides = view.rotation in (90, 270)
        self._view = view
        self._flip = _flip_code(view)
        self._resized = np.empty((width, height, 3) if swaps_sides else (height, width, 3), np.uint8)
        self._rotated = np.empty((height, width, 3), np.uint8)
        self._flipped = np.empty((height, width, 3), np.uint8)
        self._input = np.empty((1, height, width, 3), dtype)
        self._table = _build_normalization_table(mean, std) if self._input.dtype == np.float32 else None
        self._region: tuple[tuple[int, ...], tuple[slice, slice]] | None = None

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """Convert one frame to an input.

        Args:
            pixels: (height, width, 3) uint8 RGB, as delivered by the camera; its size may change between frames.

        Returns:
            (1, height, width, 3) of the input's dtype; valid until the next call.
        """
        frame_px = pixels.shape[:2]
        if self._region is None or self._region[0] != frame_px:
            self._region = frame_px, map_region(self._view, frame_px)
        small: Any = self._resized
        cv2.resize(pixels[self._region[1]], (small.shape[1], small.shape[0]), dst=small, interpolation=cv2.INTER_LINEAR)
        if self._view.rotation:
            small = cv2.rotate(small, _ROTATIONS[self._view.rotation], dst=self._rotated)
        if self._flip is not None:
            small = cv2.flip(small, self._flip, dst=self._flipped)
        if self._table is not None:
            cv2.LUT(small, self._table, dst=self._input[0])
        elif self._input.dtype == np.int8:
            # Toggling the high bit subtracts 128 in two's complement.
            np.bitwise_xor(small, 0x80, out=self._input[0].view(np.uint8))
        else:
            unchanged: np.ndarray = small[np.newaxis]
            return unchanged
        return self._input


def map_region(view: View, frame_px: tuple[int, ...]) -> tuple[slice, slice]:
    """Map the region of the upright picture onto the frame as delivered by the camera.

    Args:
        view: Orientation and region.
        frame_px: (height, width) of the frame.

    Returns:
        Slices of rows and columns; at least one pixel each, never outside of the frame.
    """
    height, width = frame_px[::-1] if view.rotation in (90, 270) else frame_px
    x, y, part_width, part_height = view.region or (0.0, 0.0, 1.0, 1.0)
    left, right = _round_span(x, part_width, width)
    top, bottom = _round_span(y, part_height, height)
    # Undone in reverse order: the flips, then the rotation.
    if view.hflip:
        left, right = width - right, width - left
    if view.vflip:
        top, bottom = height - bottom, height - top
    if view.rotation == 90:
        left, right, top, bottom = top, bottom, width - right, width - left
    elif view.rotation == 180:
        left, right, top, bottom = width - right, width - left, height - bottom, height - top
    elif view.rotation == 270:
        left, right, top, bottom = height - bottom, height - top, left, right
    return slice(top, bottom), slice(left, right)


def _round_span(start: float, length: float, size_px: int) -> tuple[int, int]:
    first = min(round(start * size_px), size_px - 1)
    return first, max(first + 1, min(round((start + length) * size_px), size_px))


def _flip_code(view: View) -> int | None:
    """Return OpenCV's code: 1 for left and right, 0 for top and bottom, −1 for both; None for no flip."""
    return {(False, False): None, (True, False): 1, (False, True): 0, (True, True): -1}[view.hflip, view.vflip]


def _build_normalization_table(mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> np.ndarray:
    """Compute (x − mean) / std of all 256 pixel values, (1, 256, 3) float32: exact, and applied in one pass."""
    values = np.arange(256, dtype=np.float64)[:, np.newaxis]
    table = (values - np.asarray(mean or (127.5,))) / np.asarray(std or (127.5,))
    return np.ascontiguousarray(np.broadcast_to(table, (256, 3))[np.newaxis], np.float32)
