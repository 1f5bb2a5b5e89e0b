"""A drawing surface for filled shapes and lines, implemented with Pillow."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# Red, green, blue and optionally opacity, each 0 to 255.
Rgba = tuple[int, ...]
# Left, top, right, bottom in pixels; right and bottom are exclusive for areas.
Box = tuple[float, float, float, float]


class Canvas:
    """An RGB or RGBA image with drawing operations; coordinates are (x, y) in pixels, y points down."""

    def __init__(self, image: Image.Image):
        self._image = image
        self._pen = ImageDraw.Draw(image, "RGBA")

    @classmethod
    def make_transparent(cls, size_px: tuple[int, int]) -> Self:
        """Return an empty RGBA canvas of (width, height); shapes replace its pixels instead of blending."""
        return cls(Image.new("RGBA", size_px, (0, 0, 0, 0)))

    @classmethod
    def from_pixels(cls, pixels: np.ndarray) -> Self:
        """Return an RGB canvas with a copy of the pixels, (height, width, 3) uint8; shapes blend by opacity."""
        return cls(Image.fromarray(pixels))

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height)."""
        return self._image.size

    @property
    def pixels(self) -> np.ndarray:
        """(height, width, 3 or 4) uint8, a copy."""
        return np.array(self._image)

    @property
    def drawn_area(self) -> tuple[int, int, int, int] | None:
        """Smallest box that contains every pixel that is not transparent black; None if there is none."""
        return self._image.getbbox()

    def fill_polygon(self, points: np.ndarray, color: Rgba) -> None:
        """Fill a closed outline, (n, 2) points."""
        self._pen.polygon(points.ravel().tolist(), fill=color)

    def fill_ellipse(self, box: Box, color: Rgba) -> None:
        """Fill the ellipse that the box encloses."""
        self._pen.ellipse(box, fill=color)

    def draw_line(self, points: np.ndarray | Sequence[float], color: Rgba, width_px: int, curved: bool = False) -> None:
        """Draw an open line through (n, 2) points; `curved` rounds its corners."""
        coordinates = np.asarray(points).ravel().tolist()
        self._pen.line(coordinates, fill=color, width=width_px, joint="curve" if curved else None)

    def blur(self, radius_px: float) -> None:
        """Blur the whole image with a Gaussian."""
        self._replace(self._image.filter(ImageFilter.GaussianBlur(radius_px)))

    def resize(self, size_px: tuple[int, int]) -> None:
        """Scale the whole image to (width, height), bicubic."""
        self._replace(self._image.resize(size_px, Image.Resampling.BICUBIC))

    def get_premultiplied(self, area: tuple[int, int, int, int], divisor: int) -> np.ndarray:
        """Return an area of an RGBA canvas reduced by an integer factor.

        Args:
            area: Box in pixels; its sides are multiples of `divisor`.
            divisor: Each block of divisor × divisor pixels is replaced by its mean.

        Returns:
            (height, width, 4) uint8, the colors multiplied by the opacity.
        """
        return np.array(self._image.crop(area).convert("RGBa").reduce(divisor))

    def _replace(self, image: Image.Image) -> None:
        self._image = image
        self._pen = ImageDraw.Draw(image, "RGBA")
