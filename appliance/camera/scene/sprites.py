"""Draws sprites with soft edges from a few shapes: what flowers.py and scenery.py draw with.

Shapes are drawn in units of the head's radius: (0, 0) is the centre of the head, y points down. They are filled at
three times their size and then reduced, which smooths the edges. Pillow draws; nothing else is needed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

# Red, green and blue from 0 to 255; brighter ones are cut off when they are painted.
Color = tuple[float, float, float]
# An outline or a line: (n, 2) points, in radii.
Shape = np.ndarray

# How far a drawing may reach from its centre, in radii: to the sides (the widest leaves), and upwards.
_REACH = 1.9
_ABOVE = 1.3


@dataclass(frozen=True, slots=True)
class Sprite:
    """A drawing that can be laid over a frame.

    Attributes:
        colour: (h, w, 3) uint8, already multiplied with its opacity.
        see_through: (h, w, 3) uint8, how much of what is behind stays: 255 where there is nothing of the sprite (the
            same for all three channels; numpy multiplies equal shapes several times faster than it stretches one).
        centre_px: (x, y) of the head's centre inside the sprite.
        radius_px: The head's radius.
    """

    colour: np.ndarray
    see_through: np.ndarray
    centre_px: tuple[int, int]
    radius_px: int


class Pen:
    """Draws shapes given in radii onto an enlarged canvas. `bottom` is the canvas's lower edge, in radii."""

    def __init__(self, rng: np.random.Generator, radius_px: int, below_px: int, enlarged: int):
        self.rng = rng
        self.scale = radius_px * enlarged
        self.size = (round(2 * _REACH * self.scale), round(_ABOVE * self.scale) + below_px * enlarged)
        self.origin = np.array([_REACH * self.scale, _ABOVE * self.scale])
        self.bottom = below_px / radius_px
        self.image = Image.new("RGBA", self.size, (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self.image)

    def fill(self, shape: Shape, colour: Color) -> None:
        """Fills a closed outline, (n, 2) in radii."""
        self._draw.polygon((shape * self.scale + self.origin).ravel().tolist(), fill=_bytes(colour))

    def line(self, shape: Shape, colour: Color, width: float) -> None:
        """Draws an open line, `width` in radii."""
        points = (shape * self.scale + self.origin).ravel().tolist()
        self._draw.line(points, fill=_bytes(colour), width=max(1, round(width * self.scale)), joint="curve")

    def dot(self, x: float, y: float, radius: float, colour: Color) -> None:
        """A filled circle."""
        self.fill(make_disc(radius) + (x, y), colour)

    def make_petal(self, shape: Shape, colour: Color, depth: float = 0.12) -> None:
        """A petal whose outline is darker and whose middle is lighter, so that neighbours stand apart."""
        middle = shape.mean(axis=0)
        self.fill(shape, shade(colour, -1.6 * depth))
        self.fill((shape - middle) * 0.9 + middle, colour)
        self.fill((shape - middle) * 0.45 + middle, shade(colour, 0.5 * depth))


def draw_sprite(
    paint: Callable[[Pen], None], rng: np.random.Generator, radius_px: int, below_px: int, light: Color
) -> Sprite:
    """Lets `paint` draw and makes a sprite of it.

    Args:
        rng: The pen's, for everything that varies.
        radius_px: Of the head.
        below_px: From the head's centre to the lower edge of the canvas.
        light: What each of red, green and blue is multiplied with.
    """
    radius_px, below_px = max(2, radius_px), max(2, below_px)
    # Three times as large gives smooth edges; a very large sprite has them anyhow.
    enlarged = 3 if radius_px < 200 else 2 if radius_px < 400 else 1
    pen = Pen(rng, radius_px, below_px, enlarged)
    paint(pen)
    # Only what was painted is kept: pasting costs by the pixel.
    left, top, right, bottom = pen.image.getbbox() or (0, 0, enlarged, enlarged)
    left, top = left // enlarged, top // enlarged
    right, bottom = -(-right // enlarged), -(-bottom // enlarged)
    area = (left * enlarged, top * enlarged, right * enlarged, bottom * enlarged)
    pixels = np.array(pen.image.crop(area).convert("RGBa").reduce(enlarged))
    height, width = pixels.shape[:2]
    centre = (round(_REACH * radius_px) - left, round(_ABOVE * radius_px) - top)
    # Light falls from the upper left: that alone turns flat shapes into round ones.
    x, y = np.arange(width, dtype=np.float32) - centre[0], np.arange(height, dtype=np.float32) - centre[1]
    colour = np.empty((height, width, 3), np.uint8)
    for band in iterate_bands(height):
        slope = np.clip(-(x[None, :] * 0.6 + y[band, None]) / (1.6 * radius_px), -1, 1)
        shading = (1 + 0.13 * slope)[:, :, None] * np.asarray(light, np.float32)
        colour[band] = np.rint(np.minimum(pixels[band, :, :3] * shading, pixels[band, :, 3:]))
    see_through = np.repeat(255 - pixels[:, :, 3:], 3, axis=2)
    return Sprite(colour, see_through, centre, radius_px)


def iterate_bands(height: int) -> Iterator[slice]:
    """The rows of a picture, some at a time: floats of a whole picture would stay with the process as memory."""
    return (slice(top, top + 32) for top in range(0, height, 32))


def _bytes(colour: Color) -> tuple[int, int, int, int]:
    red, green, blue = (min(255, max(0, round(value))) for value in colour)
    return red, green, blue, 255


def shade(colour: Color, by: float) -> Color:
    """Lighter towards white for `by` > 0, darker for `by` < 0."""
    red, green, blue = ((value + (255 - value) * by) if by > 0 else value * (1 + by) for value in colour)
    return red, green, blue


def vary(rng: np.random.Generator, colour: Color, by: float) -> Color:
    """The colour with each of its three values moved by up to `by`."""
    red, green, blue = (value + rng.uniform(-by, by) for value in colour)
    return red, green, blue


def make_disc(radius: float, squash: float = 1.0) -> Shape:
    """A circle about the origin, or an ellipse of `squash` times its height."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([np.cos(angle) * radius, np.sin(angle) * radius * squash], axis=1)


def make_petal(
    length: float, width: float, start: float = 0.0, belly: float = 1.0, blunt: float = 1.0, bend: float = 0.0
) -> Shape:
    """The outline of a petal along −y (upwards), its foot at distance `start` from the origin.

    Args:
        width: Half of the widest part.
        belly: Below 1 the widest part lies near the foot, above 1 near the tip.
        blunt: Below 1 the ends are round, above 1 they are pointed.
        bend: How far the middle of the axis swings to +x.
    """
    along = np.linspace(0, 1, 14)
    half = width * np.sin(np.pi * along**belly) ** blunt
    axis = bend * np.sin(np.pi * along)
    x = np.concatenate([axis + half, (axis - half)[::-1]])
    y = -start - length * np.concatenate([along, along[::-1]])
    return np.stack([x, y], axis=1)


def rotate(shape: Shape, angle: float) -> Shape:
    """Turned clockwise about the origin, in radians."""
    cos, sin = math.cos(angle), math.sin(angle)
    return shape @ np.array([[cos, sin], [-sin, cos]])


def choose_tilt(rng: np.random.Generator) -> Callable[[Shape], Shape]:
    """A head seen a little from the side: squeezed along a random direction."""
    direction, squeeze = rng.uniform(0, np.pi), rng.uniform(0.8, 1)
    return lambda shape: rotate(rotate(shape, -direction) * (1, squeeze), direction)


def draw_leaf(pen: Pen, foot: np.ndarray, angle: float, length: float, width: float, colour: Color, **form: float) -> None:
    """A leaf with a vein, from its foot in the direction `angle` (radians from upwards); `form` goes to petal()."""
    shape = make_petal(length, width, **form)
    vein = shape[:14] * 0.5 + shape[14:][::-1] * 0.5
    pen.fill(rotate(shape, angle) + foot, shade(colour, -0.3))
    pen.fill(rotate((shape - (0, shape[:, 1].mean())) * (0.86, 0.95) + (0, shape[:, 1].mean()), angle) + foot, colour)
    pen.line(rotate(vein, angle) + foot, shade(colour, 0.25), 0.03)


def paste(frame: np.ndarray, sprite: Sprite, x_px: int, y_px: int) -> None:
    """Lays the sprite over the frame, (h, w, 3) uint8, its centre at (x, y); what lies outside the frame is left out."""
    left, top = x_px - sprite.centre_px[0], y_px - sprite.centre_px[1]
    from_x, from_y = max(0, -left), max(0, -top)
    to_x = min(sprite.colour.shape[1], frame.shape[1] - left)
    to_y = min(sprite.colour.shape[0], frame.shape[0] - top)
    if from_x >= to_x or from_y >= to_y:
        return
    part = (slice(from_y, to_y), slice(from_x, to_x))
    target = frame[top + from_y : top + to_y, left + from_x : left + to_x]
    # 16-bit integers: half the time of floats. (b × k + 255) >> 8 never exceeds what room the sprite's colour leaves.
    behind = np.multiply(target, sprite.see_through[part], dtype=np.uint16)
    behind += 255
    behind >>= 8
    np.add(behind, sprite.colour[part], out=target, casting="unsafe")
