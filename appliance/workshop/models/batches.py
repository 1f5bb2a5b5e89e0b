"""Select, crop, cover, and mix the pictures of each training batch in a new way.

Mixing prevents the network from labeling subjects that are not in the training pictures: after 240,000 pictures, 2 of
18 photographs of such subjects got a label with mixing, and 10 without.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from appliance.workshop.models.augmentation import STORED_PX
from appliance.workshop.models.paths import OTHER_SETS
from appliance.workshop.models.prepare import PictureSet

BATCH = 64
SHARES = {"flowers": 0.55, "clothing": 0.22, "sign_digits": 0.09, "patterns": 0.07, "scenes": 0.07}
# The smallest side of a square, out of STORED_PX.
LEAST_SQUARE_PX = 104
MIXED_UP, PATCHED, COVERED = 0.2, 0.2, 0.15


@dataclass(frozen=True, slots=True)
class Squares:
    """The square of each stored picture that is used for training.

    Attributes:
        corner: (n, 2) y and x in pixels of the stored picture.
        side: (n,) pixels.
        mirrored: (n,) bool.
    """

    corner: np.ndarray
    side: np.ndarray
    mirrored: np.ndarray


@dataclass(frozen=True, slots=True)
class Mixture:
    """How much of the previous picture of the batch each picture contains.

    Attributes:
        share: (n,) float32, the share in all pixels or the area of a patch.
        patch: (n, 4) y, x, height, width in pixels; zeros if the share applies to all pixels.
    """

    share: np.ndarray
    patch: np.ndarray


def plan_order(pictures: PictureSet, backgrounds: tuple[str, ...], count: int, rng: np.random.Generator) -> np.ndarray:
    """Plan the order of the pictures: each group gets its share, and each picture of a group is used equally often.

    Args:
        pictures: The stored pictures.
        backgrounds: The sets of OTHER_SETS that are used.
        count: How many pictures are used in total.
        rng: The source of the random order.

    Returns:
        (count,) indices of pictures.
    """
    shares = {name: share for name, share in SHARES.items() if name not in OTHER_SETS or name in backgrounds}
    left = count
    parts = []
    for name, share in shares.items():
        wanted = left if name == list(shares)[-1] else round(count * share / sum(shares.values()))
        left -= wanted
        members = np.flatnonzero(pictures.select_group(name))
        rounds = [rng.permutation(members) for _ in range(wanted // len(members) + 1)]
        parts.append(np.concatenate(rounds)[:wanted])
    return rng.permutation(np.concatenate(parts))


def choose_squares(rng: np.random.Generator) -> Squares:
    """Choose a square in each picture of a batch."""
    side = rng.integers(LEAST_SQUARE_PX, STORED_PX + 1, BATCH)
    corner = rng.integers(0, (STORED_PX - side + 1)[:, None], (BATCH, 2))
    return Squares(corner, side, rng.random(BATCH) < 0.5)


def choose_mixture(rng: np.random.Generator, side_px: int) -> Mixture:
    """Choose mixup or CutMix for some pictures of a batch.

    The target of a mixed picture is between the targets of the two pictures.
    """
    share, patch = np.zeros(BATCH, np.float32), np.zeros((BATCH, 4), np.int64)
    for index, chance in enumerate(rng.random(BATCH)):
        if chance < MIXED_UP:
            share[index] = rng.beta(0.4, 0.4)
        elif chance < MIXED_UP + PATCHED:
            height, width = rng.integers(side_px // 4, side_px * 3 // 4, 2)
            y, x = rng.integers(side_px - height + 1), rng.integers(side_px - width + 1)
            patch[index] = y, x, height, width
            share[index] = height * width / side_px**2
    return Mixture(share, patch)


def render_batch(
    pixels: np.ndarray, squares: Squares, mixture: Mixture, side_px: int, rng: np.random.Generator
) -> np.ndarray:
    """Crop the squares from stored pictures; change their light slightly, cover parts of some, and mix others.

    Args:
        pixels: (n, STORED_PX, STORED_PX, 3) uint8.
        squares: The squares to crop.
        mixture: The mixture to apply.
        side_px: The side of the result.
        rng: The source of the random covers and light.

    Returns:
        (n, side_px, side_px, 3) float32 from 0 to 255.
    """
    count = len(pixels)
    batch = np.empty((count, side_px, side_px, 3), np.float32)
    for index, picture in enumerate(pixels):
        (y, x), side = squares.corner[index], squares.side[index]
        square = cv2.resize(picture[y : y + side, x : x + side], (side_px, side_px), interpolation=cv2.INTER_LINEAR)
        batch[index] = square[:, ::-1] if squares.mirrored[index] else square
        if rng.random() < COVERED:
            height, width = rng.integers(side_px // 8, side_px // 2, 2)
            top, left = rng.integers(side_px - height + 1), rng.integers(side_px - width + 1)
            batch[index, top : top + height, left : left + width] = rng.uniform(0, 255, 3)
    batch *= rng.uniform(0.85, 1.15, (count, 1, 1, 1)).astype(np.float32)
    batch += rng.uniform(-15, 15, (count, 1, 1, 1)).astype(np.float32)
    batch = batch.clip(0, 255)
    previous = np.roll(batch, 1, axis=0)
    for index, (y, x, height, width) in enumerate(mixture.patch):
        if height:
            batch[index, y : y + height, x : x + width] = previous[index, y : y + height, x : x + width]
        elif mixture.share[index]:
            batch[index] += (previous[index] - batch[index]) * mixture.share[index]
    return batch


def compute_sampling_grid(squares: Squares, chosen: np.ndarray, positions: int) -> np.ndarray:
    """Compute the positions of a layer over the used squares, in the coordinates of the stored pictures.

    Args:
        squares: The used squares.
        chosen: (m,) indices of the required pictures.
        positions: The number of positions per side of the layer.

    Returns:
        (m, positions, positions, 2) float32, x and y from −1 to 1, as torch's grid_sample expects.
    """
    middles = (np.arange(positions) + 0.5) / positions
    across = np.where(squares.mirrored[chosen, None], 1 - middles, middles)
    side = squares.side[chosen, None]
    rows = squares.corner[chosen, 0, None] + middles * side
    columns = squares.corner[chosen, 1, None] + across * side
    grid = np.empty((len(chosen), positions, positions, 2), np.float32)
    grid[..., 0] = (columns / STORED_PX * 2 - 1)[:, None, :]
    grid[..., 1] = (rows / STORED_PX * 2 - 1)[:, :, None]
    return grid
