"""Drawn scenes to train on: the demo's camera shows such, and what it shows must be named right too."""

import numpy as np
from photos import plain
from places import LABELS

from appliance.camera.scene.camera import draw_scene, draw_subject
from appliance.camera.scene.scenery import draw_background
from appliance.camera.scene.sprites import paste

# Cameras differ in size and shape; each shrinks, and so roughens, the picture in another way.
_SIZES_PX = ((640, 480), (320, 240), (480, 360), (640, 360), (360, 480), (400, 400))


def flower_scene(label: str, number: int, rng: np.random.Generator) -> np.ndarray:
    """A scene with a flower, of every sixth a part outside of the picture; (STORED_PX, STORED_PX, 3) uint8."""
    size_px = _any_size(rng)
    return plain(draw_scene(label, rng, size_px) if number % 6 else _partly(label, rng, size_px, 0.72, 0.98))


def empty_scene(number: int, rng: np.random.Generator) -> np.ndarray:
    """A scene without a flower, a quarter of them with the edge of one; (STORED_PX, STORED_PX, 3) uint8."""
    size_px = _any_size(rng)
    if number % 4:
        return plain(draw_scene(None, rng, size_px))
    return plain(_partly(str(rng.choice(LABELS)), rng, size_px, 0.05, 0.35))


def _any_size(rng: np.random.Generator) -> tuple[int, int]:
    return _SIZES_PX[int(rng.integers(len(_SIZES_PX)))]


def _partly(label: str, rng: np.random.Generator, size_px: tuple[int, int], least: float, most: float) -> np.ndarray:
    """A scene whose flower has only a share of its head, from `least` to `most`, inside the picture."""
    frame, light = draw_background(rng, size_px)
    sprite, x, y = draw_subject(label, rng, size_px, light)
    inside = round(rng.uniform(least, most) * 2 * sprite.radius_px)
    side = int(rng.integers(3))
    if side == 0:
        x = inside - sprite.radius_px
    elif side == 1:
        x = size_px[0] - inside + sprite.radius_px
    else:
        y = size_px[1] - inside + sprite.radius_px
    paste(frame, sprite, x, y)
    return frame
