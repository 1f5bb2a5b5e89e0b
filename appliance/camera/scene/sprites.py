"""Sprites with smooth edges, drawn from a few shapes; flowers.py and scenery.py use these functions.

Shapes are in units of the head's radius: (0, 0) is the center of the head, y points down. They are filled at three
times their size and then reduced, which smooths the edges.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from appliance.imaging.canvas import Canvas

# Red, green and blue, 0 to 255; larger values are clipped when painted.
Color = tuple[float, float, float]
# An outline or a line: (n, 2) points, in radii.
Shape = np.ndarray

# The largest extent of a drawing from its center, in radii: to the sides (the widest leaves) and upward.
_REACH = 1.9
_ABOVE = 1.3
_BAND_ROWS = 32


@dataclass(frozen=True, slots=True)
class Sprite:
    """A drawing that can be pasted onto a frame.

    Attributes:
        color: (h, w, 3) uint8, premultiplied by the opacity.
        transparency: (h, w, 3) uint8, share of the background that stays visible: 255 outside of the drawing. All three
            channels are equal, because numpy multiplies arrays of equal shape several times faster than it broadcasts.
        center_px: (x, y) of the head's center inside the sprite.
        radius_px: Radius of the head.
    """

    color: np.ndarray
    transparency: np.ndarray
    center_px: tuple[int, int]
    radius_px: int


class Pen:
    """Draws shapes given in radii on an enlarged canvas. `bottom` is the lower edge of the canvas, in radii."""

    def __init__(self, rng: np.random.Generator, radius_px: int, below_px: int, enlargement: int):
        self.rng = rng
        self.scale = radius_px * enlargement
        self.origin = np.array([_REACH * self.scale, _ABOVE * self.scale])
        self.bottom = below_px / radius_px
        self.canvas = Canvas.make_transparent(
            (round(2 * _REACH * self.scale), round(_ABOVE * self.scale) + below_px * enlargement)
        )

    def fill(self, shape: Shape, color: Color) -> None:
        """Fill a closed outline, (n, 2) in radii."""
        self.canvas.fill_polygon(shape * self.scale + self.origin, round_color(color))

    def draw_line(self, shape: Shape, color: Color, width: float) -> None:
        """Draw an open line, `width` in radii."""
        points = shape * self.scale + self.origin
        self.canvas.draw_line(points, round_color(color), max(1, round(width * self.scale)), curved=True)

    def draw_dot(self, x: float, y: float, radius: float, color: Color) -> None:
        """Draw a filled circle."""
        self.fill(move(make_disc(radius), x, y), color)

    def fill_petal(self, shape: Shape, color: Color, depth: float = 0.12) -> None:
        """Fill a petal with a darker outline and a lighter middle, so that neighbors remain distinct."""
        middle = shape.mean(axis=0)
        self.fill(shape, shade(color, -1.6 * depth))
        self.fill((shape - middle) * 0.9 + middle, color)
        self.fill((shape - middle) * 0.45 + middle, shade(color, 0.5 * depth))


def draw_sprite(
    paint: Callable[[Pen], None], rng: np.random.Generator, radius_px: int, below_px: int, light: Color
) -> Sprite:
    """Call `paint` with a pen and convert the drawing to a sprite.

    Args:
        paint: Draws with the pen.
        rng: Generator for everything that varies; the pen makes it available.
        radius_px: Radius of the head.
        below_px: Distance from the head's center to the lower edge of the canvas.
        light: Factors for red, green and blue.
    """
    radius_px, below_px = max(2, radius_px), max(2, below_px)
    # Triple size smooths the edges; very large sprites need less.
    enlargement = 3 if radius_px < 200 else 2 if radius_px < 400 else 1
    pen = Pen(rng, radius_px, below_px, enlargement)
    paint(pen)
    # Crop to the drawing, because the cost of pasting grows with the number of pixels.
    left, top, right, bottom = pen.canvas.drawn_area or (0, 0, enlargement, enlargement)
    left, top = left // enlargement, top // enlargement
    right, bottom = -(-right // enlargement), -(-bottom // enlargement)
    area = (left * enlargement, top * enlargement, right * enlargement, bottom * enlargement)
    pixels = pen.canvas.get_premultiplied(area, enlargement)
    center = (round(_REACH * radius_px) - left, round(_ABOVE * radius_px) - top)
    transparency = np.repeat(255 - pixels[:, :, 3:], 3, axis=2)
    return Sprite(_apply_light(pixels, center, radius_px, light), transparency, center, radius_px)


def _apply_light(pixels: np.ndarray, center: tuple[int, int], radius_px: int, light: Color) -> np.ndarray:
    """Return the colors under a light from the upper left, which makes flat shapes look round; (h, w, 3) uint8."""
    height, width = pixels.shape[:2]
    x, y = np.arange(width, dtype=np.float32) - center[0], np.arange(height, dtype=np.float32) - center[1]
    color = np.empty((height, width, 3), np.uint8)
    for band in iterate_bands(height):
        slope = np.clip(-(x[None, :] * 0.6 + y[band, None]) / (1.6 * radius_px), -1, 1)
        shading = (1 + 0.13 * slope)[:, :, None] * np.asarray(light, np.float32)
        color[band] = np.rint(np.minimum(pixels[band, :, :3] * shading, pixels[band, :, 3:]))
    return color


def iterate_bands(height: int) -> Iterator[slice]:
    """Yield the rows of a picture in bands, because float arrays of a whole picture would enlarge the process."""
    return (slice(top, top + _BAND_ROWS) for top in range(0, height, _BAND_ROWS))


def round_color(color: Color) -> tuple[int, int, int]:
    """Return the color as integers, each clipped to 0…255."""
    red, green, blue = (min(255, max(0, round(value))) for value in color)
    return red, green, blue


def shade(color: Color, by: float) -> Color:
    """Lighten a color toward white for `by` > 0, darken it for `by` < 0."""
    red, green, blue = ((value + (255 - value) * by) if by > 0 else value * (1 + by) for value in color)
    return red, green, blue


def vary(rng: np.random.Generator, color: Color, by: float) -> Color:
    """Return the color with each of its three values moved by up to `by`."""
    red, green, blue = (value + rng.uniform(-by, by) for value in color)
    return red, green, blue


def make_disc(radius: float, squash: float = 1.0) -> Shape:
    """Return a circle around the origin, or an ellipse with `squash` times the circle's height."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([np.cos(angle) * radius, np.sin(angle) * radius * squash], axis=1)


def make_petal(
    length: float, width: float, start: float = 0.0, belly: float = 1.0, blunt: float = 1.0, bend: float = 0.0
) -> Shape:
    """Return the outline of a petal along −y (upward), its base at distance `start` from the origin.

    Args:
        length: From base to tip.
        width: Half of the widest part.
        start: Distance from the origin to the base.
        belly: Below 1 the widest part is near the base, above 1 near the tip.
        blunt: Below 1 the ends are round, above 1 they are pointed.
        bend: Offset of the middle of the axis toward +x.
    """
    along = np.linspace(0, 1, 14)
    half = width * np.sin(np.pi * along**belly) ** blunt
    axis = bend * np.sin(np.pi * along)
    x = np.concatenate([axis + half, (axis - half)[::-1]])
    y = -start - length * np.concatenate([along, along[::-1]])
    return np.stack([x, y], axis=1)


def move(shape: Shape, x: float, y: float) -> Shape:
    """Move a shape by (x, y)."""
    moved: Shape = shape + np.array((x, y))
    return moved


def rotate(shape: Shape, angle: float) -> Shape:
    """Rotate a shape clockwise around the origin, in radians."""
    cos, sin = math.cos(angle), math.sin(angle)
    rotated: Shape = shape @ np.array([[cos, sin], [-sin, cos]])
    return rotated


def choose_tilt(rng: np.random.Generator) -> Callable[[Shape], Shape]:
    """Return a transform that shows a head slightly from the side, squeezed in a random direction."""
    direction, squeeze = rng.uniform(0, np.pi), rng.uniform(0.8, 1)
    return lambda shape: rotate(rotate(shape, -direction) * (1, squeeze), direction)


def draw_leaf(
    pen: Pen, base: np.ndarray, angle: float, length: float, width: float, color: Color, **form: float
) -> None:
    """Draw a leaf with a vein from its base in the direction `angle` (radians from upward); `form` as in make_petal."""
    shape = make_petal(length, width, **form)
    vein = shape[:14] * 0.5 + shape[14:][::-1] * 0.5
    pen.fill(rotate(shape, angle) + base, shade(color, -0.3))
    middle = (0, shape[:, 1].mean())
    pen.fill(rotate((shape - middle) * (0.86, 0.95) + middle, angle) + base, color)
    pen.draw_line(rotate(vein, angle) + base, shade(color, 0.25), 0.03)


def paste(frame: np.ndarray, sprite: Sprite, x_px: int, y_px: int) -> None:
    """Paste the sprite onto the frame, (h, w, 3) uint8, its center at (x, y), and clip it to the frame."""
    left, top = x_px - sprite.center_px[0], y_px - sprite.center_px[1]
    from_x, from_y = max(0, -left), max(0, -top)
    to_x = min(sprite.color.shape[1], frame.shape[1] - left)
    to_y = min(sprite.color.shape[0], frame.shape[0] - top)
    if from_x >= to_x or from_y >= to_y:
        return
    part = (slice(from_y, to_y), slice(from_x, to_x))
    target = frame[top + from_y : top + to_y, left + from_x : left + to_x]
    # 16-bit integers take half the time of floats. (b × k + 255) >> 8 plus the premultiplied color never exceeds 255.
    behind = np.multiply(target, sprite.transparency[part], dtype=np.uint16)
    behind += 255
    behind >>= 8
    np.add(behind, sprite.color[part], out=target, casting="unsafe")
