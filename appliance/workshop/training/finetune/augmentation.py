"""Vary the pictures of each batch: random crops, mirroring, and light."""

import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor

from appliance.workshop.training.lite0.architecture import SIDE_PX
from appliance.workshop.training.lite0.layers import CENTER, SCALE

LEAST_AREA = 0.35
_MOST_ASPECT = 4 / 3
_LIGHT, _CONTRAST, _COLOR = 0.3, 0.2, 0.08


def center(pixels: np.ndarray) -> Tensor:
    """Convert (n, side, side, 3) uint8 to the network's input, (n, 3, side, side) float32."""
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - CENTER) * SCALE


def vary(pixels: np.ndarray, rng: np.random.Generator, flips: bool, side_px: int = SIDE_PX) -> Tensor:
    """Crop a random part of each picture, mirror half of them, and change their light.

    Args:
        pixels: (n, side, side, 3) uint8.
        rng: The source of all random choices.
        flips: Whether left and right may be exchanged.
        side_px: The side of the result.

    Returns:
        (n, 3, side_px, side_px) float32, the network's input.
    """
    count = len(pixels)
    area = rng.uniform(LEAST_AREA, 1.0, count)
    aspect = np.exp(rng.uniform(-math.log(_MOST_ASPECT), math.log(_MOST_ASPECT), count))
    sides = np.minimum(np.sqrt(np.stack([area * aspect, area / aspect], axis=1)), 1.0)
    # In the coordinates of affine_grid, the picture reaches from −1 to 1.
    middles = rng.uniform(-1, 1, (count, 2)) * (1 - sides)
    signs = np.where(flips & (rng.random(count) < 0.5), -1.0, 1.0)
    matrix = np.zeros((count, 2, 3), np.float32)
    matrix[:, 0, 0], matrix[:, 0, 2] = sides[:, 0] * signs, middles[:, 0]
    matrix[:, 1, 1], matrix[:, 1, 2] = sides[:, 1], middles[:, 1]
    grid = F.affine_grid(torch.from_numpy(matrix), [count, 3, side_px, side_px], align_corners=False)
    picture = F.grid_sample(center(pixels), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return _change_light(picture, rng)


def _change_light(picture: Tensor, rng: np.random.Generator) -> Tensor:
    count = len(picture)
    # The input is 0 for medium gray, and brightness is a factor of the bytes, which are 0 for black.
    black = -CENTER * SCALE
    light = rng.uniform(1 - _LIGHT, 1 + _LIGHT, (count, 1, 1, 1)) * rng.uniform(
        1 - _COLOR, 1 + _COLOR, (count, 3, 1, 1)
    )
    picture = (picture - black) * torch.from_numpy(light.astype(np.float32)) + black
    contrast = torch.from_numpy(rng.uniform(1 - _CONTRAST, 1 + _CONTRAST, (count, 1, 1, 1)).astype(np.float32))
    mean = picture.mean(dim=(1, 2, 3), keepdim=True)
    return ((picture - mean) * contrast + mean).clamp(black, (255 - CENTER) * SCALE)
