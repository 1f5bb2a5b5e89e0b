"""Pictures of nothing in particular: what the network learns to be silent about without having seen it.

Drawn (noise, waves, bars, heaps of discs and slabs), or made of photographs so that the colours or the texture stay
and what was shown does not: tiles laid down in another order, the same frequencies with other phases, photographs
without flowers in any colour.
"""

import cv2
import numpy as np
from photos import STORED_PX, copy_of

Array = np.ndarray
SIDE = STORED_PX


def draw_pattern(rng: np.random.Generator) -> Array:
    """One drawn picture, (STORED_PX, STORED_PX, 3) uint8."""
    return _PATTERNS[int(rng.integers(len(_PATTERNS)))](rng)


def shuffled(pixels: Array, rng: np.random.Generator) -> Array:
    """A STORED_PX square cut into tiles that are laid down in another order, some of them turned."""
    tiles = int(rng.choice((6, 8, 9, 12)))
    side = SIDE // tiles
    cut = pixels.reshape(tiles, side, tiles, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    cut = np.stack([np.rot90(tile, int(rng.integers(4))) for tile in cut[rng.permutation(len(cut))]])
    laid = cut.reshape(tiles, tiles, side, side, 3).swapaxes(1, 2).reshape(SIDE, SIDE, 3)
    # Without their edges the tiles would give themselves away.
    return cv2.GaussianBlur(laid, (0, 0), rng.uniform(0.6, 1.6)) if rng.random() < 0.6 else laid


def dephased(pixels: Array, rng: np.random.Generator) -> Array:
    """The same frequencies and colours with other phases: texture without any thing in it."""
    values = pixels.astype(np.float32)
    phases = np.angle(np.fft.fft2(rng.standard_normal((SIDE, SIDE))))[:, :, None]
    mixed = np.fft.ifft2(np.fft.fft2(values, axes=(0, 1)) * np.exp(1j * phases), axes=(0, 1)).real
    return np.clip(mixed, 0, 255).astype(np.uint8)


def recoloured(pixels: Array, rng: np.random.Generator) -> Array:
    """A part of a photograph in any hue and from any side, so that a flower's colours alone do not make a flower."""
    part = copy_of(pixels, rng, 0.15)
    spread = cv2.cvtColor(part, cv2.COLOR_RGB2HSV)
    spread[..., 0] = (spread[..., 0].astype(np.int16) + int(rng.integers(180))) % 180
    more = spread[..., 1].astype(np.float32) * rng.uniform(0.8, 2.2) + rng.uniform(0, 70)
    spread[..., 1] = np.clip(more, 0, 255).astype(np.uint8)
    return np.rot90(cv2.cvtColor(spread, cv2.COLOR_HSV2RGB), int(rng.integers(4))).copy()


def collage(first: Array, second: Array, rng: np.random.Generator) -> Array:
    """A piece of one photograph with a soft edge on a part of another, (STORED_PX, STORED_PX, 3) uint8."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    _blob(mask, rng, 1.0, rng.uniform(0.2, 0.45) * SIDE)
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.8, 3))[:, :, None]
    return (recoloured(first, rng) * mask + recoloured(second, rng) * (1 - mask)).astype(np.uint8)


def pasted(thing: Array, garden: Array, rng: np.random.Generator) -> Array:
    """A round or ragged piece of a photograph without flowers in front of a garden out of focus.

    So neither a blurred green background nor one thing in the middle of the picture makes a flower.
    """
    background = cv2.GaussianBlur(copy_of(garden, rng), (0, 0), rng.uniform(9, 22))
    mask = np.zeros((SIDE, SIDE), np.float32)
    middle, radius = rng.uniform(0.3, 0.7, 2) * SIDE, rng.uniform(0.18, 0.5) * SIDE
    turns = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    wave = 1 + rng.uniform(0, 0.18) * np.sin(turns * int(rng.integers(2, 9)) + rng.uniform(0, 6))
    points = np.stack((np.cos(turns), rng.uniform(0.6, 1) * np.sin(turns)), axis=1) * (radius * wave)[:, None] + middle
    cv2.fillPoly(mask, [points.astype(np.int32)], 1.0)
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.8, 2.5))[:, :, None]
    front = recoloured(thing, rng) if rng.random() < 0.6 else copy_of(thing, rng, 0.15)
    return (front * mask + background * (1 - mask)).astype(np.uint8)


def _colour(rng: np.random.Generator) -> Array:
    """Any colour; the colours of skin, fur, bread, sky and leaves more often than chance would have it."""
    if rng.random() < 0.4:
        return rng.uniform(0, 255, 3)
    base = np.array(_COLOURS[int(rng.integers(len(_COLOURS)))], float)
    return np.clip(base * rng.uniform(0.6, 1.25) + rng.normal(0, 14, 3), 0, 255)


# Skin, fur, bread, wood, cloth, sky, leaves, stone, the dark, the bright, and a few that flowers have too.
_COLOURS = (
    *((214, 170, 140), (150, 104, 72), (196, 140, 70), (110, 80, 56), (230, 214, 190), (120, 160, 210), (86, 120, 60)),
    *((140, 140, 140), (40, 38, 40), (240, 240, 236), (190, 40, 40), (220, 180, 60), (90, 60, 110), (170, 190, 170)),
)


def _noise(rng: np.random.Generator, octaves: int, channels: int = 1) -> Array:
    """Value noise, 0–1, (SIDE, SIDE, channels): several fields of random values, each finer and fainter."""
    total = np.zeros((SIDE, SIDE, channels), np.float32)
    cells, weight, falls = int(rng.integers(2, 6)), 1.0, rng.uniform(0.4, 0.8)
    for _ in range(octaves):
        field = rng.random((cells, max(2, round(cells * rng.uniform(0.5, 2))), channels), np.float32)
        total += weight * cv2.resize(field, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).reshape(SIDE, SIDE, channels)
        cells, weight = min(SIDE, cells * 2), weight * falls
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def _clouds(rng: np.random.Generator) -> Array:
    mix = _noise(rng, int(rng.integers(1, 7)))
    if rng.random() < 0.5:
        mix = 1 / (1 + np.exp(-(mix - rng.uniform(0.3, 0.7)) * rng.uniform(4, 40)))
    return _between(mix, rng)


def _colours(rng: np.random.Generator) -> Array:
    return (_noise(rng, int(rng.integers(1, 7)), 3) * 255 * rng.uniform(0.4, 1)).astype(np.uint8)


def _grain(rng: np.random.Generator) -> Array:
    """One colour, noise alone, or a broken camera's dark picture."""
    base = np.broadcast_to(_colour(rng) * rng.choice((0.05, 0.5, 1.0)), (SIDE, SIDE, 3))
    grain = rng.standard_normal((SIDE, SIDE, 3 if rng.random() < 0.5 else 1)) * rng.choice((0, 3, 12, 60))
    return np.clip(base + grain, 0, 255).astype(np.uint8)


def _waves(rng: np.random.Generator) -> Array:
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    turn, tiles = rng.uniform(0, np.pi), rng.uniform(1.5, 18)
    along, across = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    kind = int(rng.integers(4))
    if kind == 0:
        mix = 0.5 + 0.5 * np.sin(2 * np.pi * tiles * along + rng.uniform(0, 3) * np.sin(tiles * across))
    elif kind == 1:
        mix = ((along * tiles).astype(int) + (across * tiles).astype(int)) % 2
    elif kind == 2:
        mix = np.clip(along * rng.normal() + across * rng.normal() + 0.5, 0, 1)
    else:
        bars = np.stack([_colour(rng) for _ in range(int(rng.integers(2, 12)))])
        return bars[(x * len(bars)).astype(int)].astype(np.uint8)
    return _between(np.asarray(mix, np.float32)[:, :, None], rng)


def _heap(rng: np.random.Generator) -> Array:
    """Things in front of each other, each with its own light and texture: discs, slabs, polygons, round stacks."""
    frame = _clouds(rng).astype(np.float32)
    texture = _noise(rng, 5)
    falling = int(rng.choice((3, 8, 25, 60)))
    for _ in range(falling):
        mask = np.zeros((SIDE, SIDE), np.float32)
        _blob(mask, rng, 1.0, SIDE * rng.uniform(0.03, 0.9 / np.sqrt(falling)))
        if rng.random() < 0.5:
            mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.5, 3))
        y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
        light = 1 + (x - 0.5) * rng.normal(0, 0.4) + (y - 0.5) * rng.normal(0, 0.4)
        shade = light[:, :, None] * (
            1 + (np.roll(texture, rng.integers(SIDE, size=2), (0, 1)) - 0.5) * rng.uniform(0, 0.9)
        )
        frame += (shade * _colour(rng) - frame) * mask[:, :, None]
    return np.clip(frame, 0, 255).astype(np.uint8)


def _blob(mask: Array, rng: np.random.Generator, value: float, radius: float) -> None:
    """Fills an ellipse, a rectangle that is turned, or a polygon."""
    x, y = (float(number) for number in rng.uniform(0.05, 0.95, 2) * SIDE)
    kind = int(rng.integers(3))
    if kind == 0:
        cv2.ellipse(mask, ((x, y), (2 * radius, 2 * radius * rng.uniform(0.25, 1)), rng.uniform(0, 180)), value, -1)
        return
    corners = int(rng.integers(3, 8)) if kind == 2 else 4
    turns = (
        np.sort(rng.uniform(0, 2 * np.pi, corners)) if kind == 2 else rng.uniform(0, 6) + np.array((0.5, 2.6, 3.7, 5.8))
    )
    points = np.stack((x + radius * np.cos(turns), y + radius * np.sin(turns)), axis=1)
    cv2.fillPoly(mask, [points.astype(np.int32)], value)


def _between(mix: Array, rng: np.random.Generator) -> Array:
    first, second = _colour(rng), _colour(rng)
    return np.clip(first + (second - first) * mix, 0, 255).astype(np.uint8)


_PATTERNS = (_clouds, _colours, _grain, _waves, _heap, _heap, _heap)
