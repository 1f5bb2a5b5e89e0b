"""Draw abstract pictures: noise, waves, bars, and piles of discs and slabs.

The network is trained not to label such pictures. All are (STORED_PX, STORED_PX, 3) uint8 RGB.
"""

import cv2
import numpy as np

from appliance.workshop.models.augmentation import STORED_PX, to_bytes

# The colors of skin, fur, bread, wood, cloth, sky, leaves, and stone, dark and bright ones, and a few of flowers.
_COLORS = (
    *((214, 170, 140), (150, 104, 72), (196, 140, 70), (110, 80, 56), (230, 214, 190), (120, 160, 210), (86, 120, 60)),
    *((140, 140, 140), (40, 38, 40), (240, 240, 236), (190, 40, 40), (220, 180, 60), (90, 60, 110), (170, 190, 170)),
)


def draw_pattern(rng: np.random.Generator) -> np.ndarray:
    """Draw one picture of a random kind."""
    return _PATTERNS[int(rng.integers(len(_PATTERNS)))](rng)


def draw_blob(rng: np.random.Generator, radius_px: float) -> np.ndarray:
    """Draw an ellipse, a rotated rectangle, or a polygon as a mask.

    Returns:
        (STORED_PX, STORED_PX) float32, 1 inside and 0 outside.
    """
    mask = np.zeros((STORED_PX, STORED_PX), np.float32)
    x, y = (float(value) for value in rng.uniform(0.05, 0.95, 2) * STORED_PX)
    kind = int(rng.integers(3))
    if kind == 0:
        size = (2 * radius_px, 2 * radius_px * rng.uniform(0.25, 1))
        cv2.ellipse(mask, ((x, y), size, rng.uniform(0, 180)), 1.0, -1)
        return mask
    if kind == 2:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
    else:
        angles = rng.uniform(0, 6) + np.array((0.5, 2.6, 3.7, 5.8))
    points = np.stack((x + radius_px * np.cos(angles), y + radius_px * np.sin(angles)), axis=1)
    cv2.fillPoly(mask, [points.astype(np.int32)], 1.0)
    return mask


def blur(mask: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur a mask or a picture; same shape and dtype."""
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma_px))


def _choose_color(rng: np.random.Generator) -> np.ndarray:
    """Choose a random color, with a preference for those of skin, fur, bread, sky, and leaves."""
    if rng.random() < 0.4:
        return rng.uniform(0, 255, 3)
    base = np.array(_COLORS[int(rng.integers(len(_COLORS)))], float)
    return np.clip(base * rng.uniform(0.6, 1.25) + rng.normal(0, 14, 3), 0, 255)


def _draw_noise(rng: np.random.Generator, octaves: int, channels: int = 1) -> np.ndarray:
    """Draw value noise: several fields of random values, each finer and fainter than the previous one.

    Returns:
        (STORED_PX, STORED_PX, channels) float32 from 0 to 1.
    """
    total = np.zeros((STORED_PX, STORED_PX, channels), np.float32)
    cells, weight, falloff = int(rng.integers(2, 6)), 1.0, rng.uniform(0.4, 0.8)
    for _ in range(octaves):
        field = rng.random((cells, max(2, round(cells * rng.uniform(0.5, 2))), channels), np.float32)
        smooth = np.asarray(cv2.resize(field, (STORED_PX, STORED_PX), interpolation=cv2.INTER_CUBIC))
        total += weight * smooth.reshape(STORED_PX, STORED_PX, channels)
        cells, weight = min(STORED_PX, cells * 2), weight * falloff
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def _draw_clouds(rng: np.random.Generator) -> np.ndarray:
    mix = _draw_noise(rng, int(rng.integers(1, 7)))
    if rng.random() < 0.5:
        mix = 1 / (1 + np.exp(-(mix - rng.uniform(0.3, 0.7)) * rng.uniform(4, 40)))
    return _blend_two_colors(mix, rng)


def _draw_colored_noise(rng: np.random.Generator) -> np.ndarray:
    return to_bytes(_draw_noise(rng, int(rng.integers(1, 7)), 3) * 255 * rng.uniform(0.4, 1))


def _draw_grain(rng: np.random.Generator) -> np.ndarray:
    """Draw a single color, pure noise, or the dark picture of a broken camera."""
    base = np.broadcast_to(_choose_color(rng) * rng.choice((0.05, 0.5, 1.0)), (STORED_PX, STORED_PX, 3))
    channels = 3 if rng.random() < 0.5 else 1
    grain = rng.standard_normal((STORED_PX, STORED_PX, channels)) * rng.choice((0, 3, 12, 60))
    return to_bytes(base + grain)


def _draw_waves(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0:STORED_PX, 0:STORED_PX] / STORED_PX
    angle, tiles = rng.uniform(0, np.pi), rng.uniform(1.5, 18)
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    kind = int(rng.integers(4))
    if kind == 0:
        mix = 0.5 + 0.5 * np.sin(2 * np.pi * tiles * along + rng.uniform(0, 3) * np.sin(tiles * across))
    elif kind == 1:
        mix = ((along * tiles).astype(int) + (across * tiles).astype(int)) % 2
    elif kind == 2:
        mix = np.clip(along * rng.normal() + across * rng.normal() + 0.5, 0, 1)
    else:
        bars = np.stack([_choose_color(rng) for _ in range(int(rng.integers(2, 12)))])
        return to_bytes(bars[(x * len(bars)).astype(int)])
    return _blend_two_colors(np.asarray(mix, np.float32)[:, :, None], rng)


def _draw_heap(rng: np.random.Generator) -> np.ndarray:
    """Draw objects in front of each other, each with its own light and texture."""
    frame = _draw_clouds(rng).astype(np.float32)
    texture = _draw_noise(rng, 5)
    count = int(rng.choice((3, 8, 25, 60)))
    y, x = np.mgrid[0:STORED_PX, 0:STORED_PX] / STORED_PX
    for _ in range(count):
        mask = draw_blob(rng, STORED_PX * rng.uniform(0.03, 0.9 / np.sqrt(count)))
        if rng.random() < 0.5:
            mask = blur(mask, rng.uniform(0.5, 3))
        light = 1 + (x - 0.5) * rng.normal(0, 0.4) + (y - 0.5) * rng.normal(0, 0.4)
        rolled = np.roll(texture, rng.integers(STORED_PX, size=2), (0, 1))
        shade = light[:, :, None] * (1 + (rolled - 0.5) * rng.uniform(0, 0.9))
        frame += (shade * _choose_color(rng) - frame) * mask[:, :, None]
    return to_bytes(frame)


def _blend_two_colors(mix: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    first, second = _choose_color(rng), _choose_color(rng)
    return to_bytes(first + (second - first) * mix)


_PATTERNS = (_draw_clouds, _draw_colored_noise, _draw_grain, _draw_waves, _draw_heap, _draw_heap, _draw_heap)
