"""Draw scenes for training, because the bundled model must label the scenes of the demo's camera."""

import numpy as np

from appliance.camera.scene.camera import draw_scene, draw_subject
from appliance.camera.scene.scenery import draw_background
from appliance.camera.scene.sprites import paste
from appliance.workshop.models.augmentation import stretch
from appliance.workshop.models.paths import LABELS

# Cameras differ in size and aspect ratio; each combination shrinks, and therefore coarsens, the picture differently.
_SIZES_PX = ((640, 480), (320, 240), (480, 360), (640, 360), (360, 480), (400, 400))


def draw_flower_scene(label: str, index: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a scene with a flower; in every sixth scene, a part of the flower is outside the picture.

    Args:
        label: One of LABELS.
        index: The index of the scene.
        rng: The source of all random choices.

    Returns:
        (STORED_PX, STORED_PX, 3) uint8 RGB.
    """
    size_px = _choose_size(rng)
    return stretch(draw_scene(label, rng, size_px) if index % 6 else _draw_partly(label, rng, size_px, (0.72, 0.98)))


def draw_empty_scene(index: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a scene without a flower; every fourth scene shows only the edge of one.

    Returns:
        (STORED_PX, STORED_PX, 3) uint8 RGB.
    """
    size_px = _choose_size(rng)
    if index % 4:
        return stretch(draw_scene(None, rng, size_px))
    return stretch(_draw_partly(str(rng.choice(LABELS)), rng, size_px, (0.05, 0.35)))


def _choose_size(rng: np.random.Generator) -> tuple[int, int]:
    return _SIZES_PX[int(rng.integers(len(_SIZES_PX)))]


def _draw_partly(
    label: str, rng: np.random.Generator, size_px: tuple[int, int], shares: tuple[float, float]
) -> np.ndarray:
    """Draw a flower whose head is only partly inside the picture, by a share between the two given ones."""
    frame, light = draw_background(rng, size_px)
    sprite, x, y = draw_subject(label, rng, size_px, light)
    inside_px = round(rng.uniform(*shares) * 2 * sprite.radius_px)
    side = int(rng.integers(3))
    if side == 0:
        x = inside_px - sprite.radius_px
    elif side == 1:
        x = size_px[0] - inside_px + sprite.radius_px
    else:
        y = size_px[1] - inside_px + sprite.radius_px
    paste(frame, sprite, x, y)
    return frame
