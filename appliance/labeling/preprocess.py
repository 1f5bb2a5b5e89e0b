"""A camera's frame → the model's input: orientation, region, resize, normalisation.

The meaning is that of turning the frame upright first (rotation, then flips), cutting the region out and stretching
it to the input, bilinear without antialiasing (half-pixel centres): models in use keep their published results with
that, and lose them with an antialiased resize. The work is done the other way round, because it costs a tenth: the
region is mapped back onto the frame as it lies and cut out as a view, resized, and only the small picture is turned.
Bilinear interpolation treats both directions and both ends alike, so the result is the same within rounding.
"""

import cv2
import numpy as np

from appliance.imaging.view import View

# The pool of threads that OpenCV starts otherwise gains nothing on so small a picture and costs time on other cores.
cv2.setNumThreads(1)

_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def turn_upright(pixels: np.ndarray, view: View) -> np.ndarray:
    """The whole picture turned upright (rotation and flips, no region), for people.

    Args:
        pixels: (height, width, 3) uint8.
        view: How it is to be turned.

    Returns:
        The turned picture; `pixels` itself where nothing is to be turned.
    """
    if view.rotation:
        pixels = cv2.rotate(pixels, _ROTATIONS[view.rotation])
    flip = _flip_code(view)
    return pixels if flip is None else cv2.flip(pixels, flip)


def crop(pixels: np.ndarray, view: View) -> np.ndarray:
    """Return the upright region of a frame: exactly the pixels that the model receives before the resize.

    Args:
        pixels: (height, width, 3) uint8, as the camera delivered it.
        view: Orientation and region.

    Returns:
        (height, width, 3) uint8; a view of `pixels` if nothing is turned.
    """
    return turn_upright(pixels[map_region(view, pixels.shape[:2])], view)


class Preparer:
    """Makes inputs of one shape from frames seen in one way; each call reuses the buffers of the last."""

    def __init__(
        self,
        view: View,
        size_px: tuple[int, int],
        dtype: np.dtype,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
    ):
        """Args:
        view: How frames are to be looked at.
        size_px: (width, height) of the input.
        dtype: uint8 takes the pixels as they are, int8 the pixels − 128 (what both quantised forms are trained
            for: their scale stands for the normalisation), float32 (pixels − mean) / std.
        mean, std: One value, or one a channel; without them 127.5 (float32 only).
        """
        width, height = size_px
        turned = view.rotation in (90, 270)
        self._view = view
        self._flip = _flip_code(view)
        self._resized = np.empty((width, height, 3) if turned else (height, width, 3), np.uint8)
        self._rotated = np.empty((height, width, 3), np.uint8)
        self._flipped = np.empty((height, width, 3), np.uint8)
        self._input = np.empty((1, height, width, 3), dtype)
        self._table = _normalisation(mean, std) if self._input.dtype == np.float32 else None
        self._cut: tuple[tuple[int, int], tuple[slice, slice]] | None = None

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """Makes the input for one frame.

        Args:
            pixels: (height, width, 3) uint8 RGB, as the camera gave it; its size may change between frames.

        Returns:
            (1, height, width, 3) of the input's dtype; valid until the next call.
        """
        frame_px = pixels.shape[:2]
        if self._cut is None or self._cut[0] != frame_px:
            self._cut = frame_px, map_region(self._view, frame_px)
        small = self._resized
        cv2.resize(pixels[self._cut[1]], (small.shape[1], small.shape[0]), dst=small, interpolation=cv2.INTER_LINEAR)
        if self._view.rotation:
            small = cv2.rotate(small, _ROTATIONS[self._view.rotation], dst=self._rotated)
        if self._flip is not None:
            small = cv2.flip(small, self._flip, dst=self._flipped)
        if self._table is not None:
            cv2.LUT(small, self._table, dst=self._input[0])
        elif self._input.dtype == np.int8:
            # The highest bit turned over is the same as −128 in two's complement.
            np.bitwise_xor(small, 0x80, out=self._input[0].view(np.uint8))
        else:
            return small[np.newaxis]
        return self._input


def map_region(view: View, frame_px: tuple[int, int]) -> tuple[slice, slice]:
    """Where the region of the upright picture lies in the frame as the camera gave it.

    Args:
        view: How the frame is to be looked at.
        frame_px: (height, width) of the frame.

    Returns:
        Slices of rows and columns; at least one pixel each, never outside the frame.
    """
    height, width = frame_px[::-1] if view.rotation in (90, 270) else frame_px
    x, y, part_width, part_height = view.region or (0.0, 0.0, 1.0, 1.0)
    left, right = _span(x, part_width, width)
    top, bottom = _span(y, part_height, height)
    # Undone in the opposite order: the flips, then the rotation.
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


def _span(start: float, length: float, size_px: int) -> tuple[int, int]:
    first = min(round(start * size_px), size_px - 1)
    return first, max(first + 1, min(round((start + length) * size_px), size_px))


def _flip_code(view: View) -> int | None:
    """OpenCV's: 1 left and right, 0 top and bottom, −1 both."""
    return {(False, False): None, (True, False): 1, (False, True): 0, (True, True): -1}[view.hflip, view.vflip]


def _normalisation(mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> np.ndarray:
    """(x − mean) / std of each of the 256 pixel values: a table is exact and takes one pass. (1, 256, 3) float32."""
    values = np.arange(256, dtype=np.float64)[:, np.newaxis]
    table = (values - np.asarray(mean or (127.5,))) / np.asarray(std or (127.5,))
    return np.ascontiguousarray(np.broadcast_to(table, (256, 3))[np.newaxis], np.float32)
