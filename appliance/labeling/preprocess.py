"""Convert a camera frame to the model's input: orientation, region, resize, channels, normalization.

The result is defined as follows: turn the frame upright (rotation, then flips), cut out the region, and stretch it to
the input size, bilinearly without antialiasing (half-pixel centers). Existing models keep their published accuracy with
this resize; an antialiased one lowers it. A model may ask for the center of the region in the input's proportions
(crop), or for the whole region with black bars (letterbox), instead of stretching.

The steps run in a different order, which takes a tenth of the time: the region is mapped back onto the frame as
delivered, cut out without copying, and resized, and only the small picture is rotated, flipped, and converted to the
model's channels. Bilinear interpolation treats both axes and both ends alike, and the conversions are linear, so the
result is the same except for rounding.
"""

from typing import Any

import cv2
import numpy as np

from appliance.bundle.input_spec import ResizeMode
from appliance.imaging.view import View
from appliance.labeling.input_form import InputForm

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
    """Converts frames with one view to inputs of one form; each call reuses the buffers of the previous one."""

    def __init__(self, view: View, form: InputForm) -> None:
        """Allocate the buffers.

        Args:
            view: Orientation and region of the frames.
            form: The form of the model's input.
        """
        width, height = form.size_px
        swaps_sides = view.rotation in (90, 270)
        self._view, self._form = view, form
        self._flip = _flip_code(view)
        # Black, because letterbox never writes the bars.
        self._resized = np.zeros((width, height, 3) if swaps_sides else (height, width, 3), np.uint8)
        self._rotated, self._flipped, self._reordered = (np.empty((height, width, 3), np.uint8) for _ in range(3))
        self._gray = np.empty((height, width), np.uint8)
        shape = (height, width, form.channels)
        self._values = np.empty(shape if form.channels > 1 else shape[:2], form.dtype)
        self._input = np.empty(form.shape or (1, *shape), form.dtype)
        self._table = None if form.table is None else np.ascontiguousarray(form.table).reshape(1, 256, -1)
        self._is_offset = form.table is not None and np.array_equal(form.table, np.arange(-128, 128))
        self._fit: tuple[tuple[int, ...], tuple[slice, slice], np.ndarray] | None = None

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """Convert one frame to an input.

        Args:
            pixels: (height, width, 3) uint8 RGB, as delivered by the camera; its size may change between frames.

        Returns:
            The input in the form's shape and dtype; valid until the next call.
        """
        if self._fit is None or self._fit[0] != pixels.shape[:2]:
            self._fit = (pixels.shape[:2], *self._map_fit(pixels.shape[:2]))
        _, cut, target = self._fit
        cv2.resize(pixels[cut], (target.shape[1], target.shape[0]), dst=target, interpolation=cv2.INTER_LINEAR)
        small: Any = self._resized
        if self._view.rotation:
            small = cv2.rotate(small, _ROTATIONS[self._view.rotation], dst=self._rotated)
        if self._flip is not None:
            small = cv2.flip(small, self._flip, dst=self._flipped)
        if self._form.channels == 1:
            small = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY, dst=self._gray)
        elif self._form.is_bgr:
            small = cv2.cvtColor(small, cv2.COLOR_RGB2BGR, dst=self._reordered)
        return self._store(small)

    def _map_fit(self, frame_px: tuple[int, ...]) -> tuple[tuple[slice, slice], np.ndarray]:
        """Return the part of a frame that is resized, and the part of the small picture that it fills."""
        rows, columns = map_region(self._view, frame_px)
        height, width = self._resized.shape[:2]
        if self._form.resize is ResizeMode.CROP:
            part_height, part_width = rows.stop - rows.start, columns.stop - columns.start
            scale = min(part_height / height, part_width / width)
            rows, columns = _center(rows, scale * height), _center(columns, scale * width)
        elif self._form.resize is ResizeMode.LETTERBOX:
            part_height, part_width = rows.stop - rows.start, columns.stop - columns.start
            scale = min(height / part_height, width / part_width)
            filled = _center(slice(0, height), scale * part_height), _center(slice(0, width), scale * part_width)
            self._resized[:] = 0
            return (rows, columns), self._resized[filled]
        return (rows, columns), self._resized

    def _store(self, small: np.ndarray) -> np.ndarray:
        """Convert the small picture to the values that the model stores, in the layout of its input."""
        if self._table is None:
            values = small
        elif self._form.dtype == np.int8 and self._is_offset:
            # Toggling the high bit subtracts 128 in two's complement.
            values = self._values
            np.bitwise_xor(small, 0x80, out=values.view(np.uint8))
        else:
            values = self._values
            cv2.LUT(small, self._table, dst=values)
        if not self._form.is_channels_first:
            return values.reshape(self._input.shape)
        planes = values if values.ndim == 2 else values.transpose(2, 0, 1)
        np.copyto(self._input[0], planes)
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
    if view.is_square:
        side = min(right - left, bottom - top)
        columns, rows = _center(slice(left, right), side), _center(slice(top, bottom), side)
        left, right, top, bottom = columns.start, columns.stop, rows.start, rows.stop
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


def _center(span: slice, length: float) -> slice:
    """Return the span of this length, at least one pixel, at the center of another."""
    size_px = max(1, min(round(length), span.stop - span.start))
    start = span.start + (span.stop - span.start - size_px) // 2
    return slice(start, start + size_px)


def _flip_code(view: View) -> int | None:
    """Return OpenCV's code: 1 for left and right, 0 for top and bottom, −1 for both; None for no flip."""
    return {(False, False): None, (True, False): 1, (False, True): 0, (True, True): -1}[view.hflip, view.vflip]
