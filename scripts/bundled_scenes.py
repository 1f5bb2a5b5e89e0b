"""The pictures that the bundled model is trained on: drawn scenes, and simple patterns that are no flowers."""

import sys

import numpy as np
from bundled_network import SIDE_PX

from appliance.camera.drawing import paste
from appliance.camera.flowers import LABELS
from appliance.camera.scene import draw_scene, place
from appliance.camera.scenery import draw_background
from appliance.labeling.preprocess import Preparer, View

BACKGROUND = "None_of_the_above"

_PREPARER = Preparer(View(), (SIDE_PX, SIDE_PX), np.dtype(np.uint8))
# Cameras differ in size and shape; each shrinks, and so roughens, the picture in another way.
_SIZES_PX = ((640, 480), (320, 240), (480, 360), (640, 360), (360, 480), (400, 400))


def draw_set(rng: np.random.Generator, flowers: int, empty: int, simple: int) -> tuple[np.ndarray, np.ndarray]:
    """Training pictures.

    Args:
        flowers: Scenes of each label, a sixth of them partly outside of the picture.
        empty: Scenes without a flower, a quarter of them with the edge of one.
        simple: Patterns, and flowers that were cut up.

    Returns:
        (n, SIDE_PX, SIDE_PX, 3) uint8 and (n,) indices of the labels, BACKGROUND's behind the last.
    """
    pictures, labels = [], []
    for index, label in enumerate(LABELS):
        print(f"drawing {flowers} scenes of {label}", file=sys.stderr)
        for number in range(flowers):
            size_px = _any_size(rng)
            whole = draw_scene(label, rng, size_px) if number % 6 else _partly(label, rng, size_px, 0.72, 0.98)
            pictures.append(shrink(whole))
            labels.append(index)
    print(f"drawing {empty + simple} pictures without flowers", file=sys.stderr)
    for number in range(empty):
        size_px = _any_size(rng)
        edge = number % 4 == 0
        label = str(rng.choice(LABELS))
        pictures.append(shrink(_partly(label, rng, size_px, 0.05, 0.35) if edge else draw_scene(None, rng, size_px)))
    cut_from = rng.choice(flowers * len(LABELS), simple // 3)
    pictures += [_shuffled(pictures[index], rng) for index in cut_from]
    pictures += [draw_pattern(rng) for _ in range(simple - len(cut_from))]
    labels += [len(LABELS)] * (empty + simple)
    return np.stack(pictures), np.array(labels)


def shrink(pixels: np.ndarray) -> np.ndarray:
    """A frame as the appliance would hand it to the model, (SIDE_PX, SIDE_PX, 3) uint8."""
    return _PREPARER.prepare(pixels)[0].copy()


def varied(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same pictures mirrored, in other light, with other contrast and noise: what cameras and days change."""
    count = len(pictures)
    values = pictures.astype(np.float32)
    mirrored = rng.random(count) < 0.5
    values[mirrored] = values[mirrored, :, ::-1]
    one = (count, 1, 1, 1)
    values = (values - 128) * rng.uniform(0.75, 1.25, one).astype(np.float32) + 128
    values *= rng.uniform(0.85, 1.15, (count, 1, 1, 3)).astype(np.float32)
    values += rng.uniform(-22, 22, one).astype(np.float32)
    values += rng.standard_normal(values.shape, np.float32) * rng.uniform(0, 9, one).astype(np.float32)
    return np.clip(values, 0, 255).astype(np.uint8)


def draw_pattern(rng: np.random.Generator, size_px: tuple[int, int] = (SIDE_PX, SIDE_PX)) -> np.ndarray:
    """A picture of nothing: one colour, noise, bars, a checkerboard, a gradient, blobs; (h, w, 3) uint8."""
    width, height = size_px
    first, second = rng.uniform(0, 255, (2, 3))
    if rng.random() < 0.3:
        first, second = np.full(3, first[0]), np.full(3, second[0])
    y, x = np.mgrid[0:height, 0:width] / np.array((height, width)).reshape(2, 1, 1)
    kind = int(rng.integers(7))
    if kind == 0:
        mix = np.zeros((height, width))
    elif kind == 1:
        grain = rng.uniform(0, 255, (height, width, 3 if rng.random() < 0.5 else 1))
        return np.broadcast_to(grain * rng.uniform(0.2, 1), (height, width, 3)).astype(np.uint8)
    elif kind == 2:
        coarse = int(rng.integers(2, 24))
        grain = rng.uniform(0, 255, (coarse, coarse, 3))
        return grain[(y * coarse).astype(int) % coarse, (x * coarse).astype(int) % coarse].astype(np.uint8)
    elif kind == 3:
        bars = rng.uniform(0, 255, (int(rng.integers(2, 12)), 3))
        if rng.random() < 0.5:
            bars = np.array([[255 * (code >> bit & 1) for bit in (1, 2, 0)] for code in range(7, -1, -1)]) * rng.uniform(0.5, 1)
        along = x if rng.random() < 0.7 else y
        return bars[(along * len(bars)).astype(int) % len(bars)].astype(np.uint8)
    elif kind == 4:
        tiles = rng.uniform(2, 12)
        mix = ((x * tiles).astype(int) + (y * tiles).astype(int)) % 2
    elif kind == 5:
        mix = np.clip(x * rng.normal() + y * rng.normal() + 0.5, 0, 1)
    else:
        mix = np.zeros((height, width))
        for _ in range(int(rng.integers(1, 6))):
            centre_x, centre_y, radius = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.05, 0.45)
            far = np.hypot((x - centre_x) * rng.uniform(0.6, 1.6), y - centre_y)
            mix = np.maximum(mix, np.clip((radius - far) * rng.uniform(5, 60), 0, 1))
    return (first + (second - first) * mix[:, :, None]).astype(np.uint8)


def _any_size(rng: np.random.Generator) -> tuple[int, int]:
    return _SIZES_PX[int(rng.integers(len(_SIZES_PX)))]


def _partly(label: str, rng: np.random.Generator, size_px: tuple[int, int], least: float, most: float) -> np.ndarray:
    """A scene whose flower has only a share of its head, from `least` to `most`, inside the picture."""
    frame, light = draw_background(rng, size_px)
    sprite, x, y = place(label, rng, size_px, light)
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


def _shuffled(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut into squares that are laid down in another order: the colours of a flower without its shape."""
    tiles = int(rng.choice((6, 8, 12)))
    side = SIDE_PX // tiles
    cut = picture.reshape(tiles, side, tiles, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    cut = cut[rng.permutation(len(cut))]
    return cut.reshape(tiles, tiles, side, side, 3).swapaxes(1, 2).reshape(SIDE_PX, SIDE_PX, 3)
