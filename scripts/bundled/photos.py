"""Photographs from the structured zips, and augmented copies of them."""

import io
import zipfile
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image
from places import DATA

# Copies are kept this large; training cuts its own square out of them.
STORED_PX = 144

Array = np.ndarray


def photos(name: str, part: str) -> Iterator[tuple[str, str, Array]]:
    """The photographs of a set in the order of their names: label, file name, (h, w, 3) uint8 RGB."""
    with zipfile.ZipFile(DATA / name / f"{name}_{part}.zip") as archive:
        for entry in sorted(archive.namelist()):
            if entry.endswith(".jpg"):
                with Image.open(io.BytesIO(archive.read(entry))) as image:
                    yield entry.split("/")[0], entry, np.asarray(image.convert("RGB"))


def plain(pixels: Array, side_px: int = STORED_PX) -> Array:
    """The whole picture as the appliance would see it: stretched, bilinear, without antialiasing."""
    return cv2.resize(pixels, (side_px, side_px), interpolation=cv2.INTER_LINEAR)


def copy_of(pixels: Array, rng: np.random.Generator, least: float = 0.45) -> Array:
    """A part of a picture, from `least` of its area to all, turned a little, in other light; STORED_PX square."""
    height, width = pixels.shape[:2]
    area, stretch = rng.uniform(least, 1.0), np.exp(rng.uniform(-0.25, 0.25))
    part_width = min(width, max(16, round(width * np.sqrt(area) * stretch)))
    part_height = min(height, max(16, round(height * np.sqrt(area) / stretch)))
    x, y = int(rng.integers(width - part_width + 1)), int(rng.integers(height - part_height + 1))
    part = pixels[y : y + part_height, x : x + part_width]
    # Large frames are shrunk without antialiasing too: they come out rougher than these small photographs do.
    how = (cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_NEAREST)[rng.choice(3, p=(0.5, 0.25, 0.25))]
    small = cv2.resize(part, (STORED_PX, STORED_PX), interpolation=how)
    if rng.random() < 0.4:
        middle = (STORED_PX / 2, STORED_PX / 2)
        turn = cv2.getRotationMatrix2D(middle, rng.uniform(-20, 20), rng.uniform(1.0, 1.15))
        small = cv2.warpAffine(
            small, turn, (STORED_PX, STORED_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
    return lit(small, rng)


def lit(pixels: Array, rng: np.random.Generator, hue: float = 6.0) -> Array:
    """The same picture in other light: brightness, contrast, saturation, a little hue, at times grey or blurred."""
    values = pixels.astype(np.float32)
    values = (values - 128) * rng.uniform(0.7, 1.3) + 128 + rng.uniform(-28, 28)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * (rng.uniform(0.4, 1.5) if rng.random() > 0.04 else 0.0)
    values *= rng.uniform(0.92, 1.08, 3).astype(np.float32)
    result = np.clip(values, 0, 255).astype(np.uint8)
    if hue:
        spread = cv2.cvtColor(result, cv2.COLOR_RGB2HSV)
        spread[..., 0] = (spread[..., 0].astype(np.int16) + round(rng.uniform(-hue, hue))) % 180
        result = cv2.cvtColor(spread, cv2.COLOR_HSV2RGB)
    if rng.random() < 0.15:
        result = cv2.GaussianBlur(result, (0, 0), rng.uniform(0.5, 1.4))
    return result
