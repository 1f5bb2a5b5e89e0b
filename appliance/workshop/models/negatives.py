"""Create pictures without a flower from photographs: keep the colors or the texture, and remove the subject.

These are tiles in a different order, the same frequencies with different phases, and photographs without flowers in any
color. The network is trained not to label them. All results are (STORED_PX, STORED_PX, 3) uint8 RGB.
"""

import cv2
import numpy as np

from appliance.workshop.models.augmentation import STORED_PX, make_copy, to_bytes
from appliance.workshop.models.patterns import blur, draw_blob


def shuffle_tiles(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut a stored picture into tiles and reassemble them in a different order, some of them rotated.

    Args:
        pixels: (STORED_PX, STORED_PX, 3) uint8.
        rng: The source of all random choices.
    """
    count = int(rng.choice((6, 8, 9, 12)))
    side_px = STORED_PX // count
    tiles = pixels.reshape(count, side_px, count, side_px, 3).swapaxes(1, 2).reshape(-1, side_px, side_px, 3)
    tiles = np.stack([np.rot90(tile, int(rng.integers(4))) for tile in tiles[rng.permutation(len(tiles))]])
    joined = tiles.reshape(count, count, side_px, side_px, 3).swapaxes(1, 2).reshape(STORED_PX, STORED_PX, 3)
    # Avoid sharp edges between tiles, so that the network cannot recognize these pictures by the edges.
    return blur(joined, rng.uniform(0.6, 1.6)) if rng.random() < 0.6 else joined


def randomize_phases(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep the frequencies and colors of a stored picture and replace the phases, which leaves texture without objects.

    Args:
        pixels: (STORED_PX, STORED_PX, 3) uint8.
        rng: The source of the random phases.
    """
    values = pixels.astype(np.float32)
    phases = np.angle(np.fft.fft2(rng.standard_normal((STORED_PX, STORED_PX))))[:, :, None]
    mixed = np.fft.ifft2(np.fft.fft2(values, axes=(0, 1)) * np.exp(1j * phases), axes=(0, 1)).real
    return to_bytes(mixed)


def recolor(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Crop a part of a photograph, in any hue and orientation, so that colors alone do not indicate a flower."""
    part = make_copy(pixels, rng, 0.15)
    hsv = np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2HSV))
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + int(rng.integers(180))) % 180
    saturation = hsv[..., 1].astype(np.float32) * rng.uniform(0.8, 2.2) + rng.uniform(0, 70)
    hsv[..., 1] = to_bytes(saturation)
    return np.rot90(np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)), int(rng.integers(4))).copy()


def make_collage(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paste a piece of one photograph, with a soft edge, onto a part of another, both in any hue."""
    mask = draw_blob(rng, rng.uniform(0.2, 0.45) * STORED_PX)
    mask = blur(mask, rng.uniform(0.8, 3))[:, :, None]
    return to_bytes(recolor(first, rng) * mask + recolor(second, rng) * (1 - mask))


def paste_before_garden(subject: np.ndarray, garden: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paste a round or ragged piece of a photograph without flowers onto an out-of-focus garden.

    This prevents a blurred green background or a single object in the middle from indicating a flower.
    """
    background = blur(make_copy(garden, rng), rng.uniform(9, 22))
    mask = np.zeros((STORED_PX, STORED_PX), np.float32)
    center, radius_px = rng.uniform(0.3, 0.7, 2) * STORED_PX, rng.uniform(0.18, 0.5) * STORED_PX
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    wave = 1 + rng.uniform(0, 0.18) * np.sin(angles * int(rng.integers(2, 9)) + rng.uniform(0, 6))
    circle = np.stack((np.cos(angles), rng.uniform(0.6, 1) * np.sin(angles)), axis=1)
    points = circle * (radius_px * wave)[:, None] + center
    cv2.fillPoly(mask, [points.astype(np.int32)], 1.0)
    mask = blur(mask, rng.uniform(0.8, 2.5))[:, :, None]
    front = recolor(subject, rng) if rng.random() < 0.6 else make_copy(subject, rng, 0.15)
    return to_bytes(front * mask + background * (1 - mask))
