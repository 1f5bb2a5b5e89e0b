"""Draw five kinds of flowers that a person recognizes immediately ("a stylized daisy").

They are drawn from petals (outlines swept along an axis, filled with two or three shades), so no license restricts
their use. Flowers differ in hue, number and shape of petals, rotation and stem; the same random generator always yields
the same flower.
"""

import math
from collections.abc import Callable

import numpy as np

from appliance.camera.scene.sprites import (
    Color,
    Pen,
    Shape,
    Sprite,
    choose_tilt,
    draw_leaf,
    draw_sprite,
    make_disc,
    make_petal,
    move,
    rotate,
    shade,
    vary,
)

LABELS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")


def draw_flower(label: str, rng: np.random.Generator, radius_px: int, stem_px: int, light: Color = (1, 1, 1)) -> Sprite:
    """Draw a flower of the kind `label`.

    Args:
        label: One of LABELS.
        rng: Decides everything that varies.
        radius_px: Approximate radius of the head.
        stem_px: Distance from the head's center to the lower edge of the sprite.
        light: Factors for red, green and blue.
    """
    return draw_sprite(_PAINTERS[label], rng, radius_px, stem_px, light)


def _draw_stem(pen: Pen, thickness: float, color: Color, sway: float) -> Callable[[float], np.ndarray]:
    """Draw a bent stem from the head to the lower edge; return its position at 0 (head) to 1 (edge)."""
    base = pen.rng.uniform(-sway, sway)
    along = np.linspace(0, 1, 24)
    x = base * along**2
    y = along * (pen.bottom + 0.1)
    left, right = np.stack([x - thickness, y], axis=1), np.stack([x + thickness, y], axis=1)
    pen.fill(np.concatenate([left, right[::-1]]), shade(color, -0.25))
    middle = np.stack([x - 0.25 * thickness, y], axis=1)
    pen.draw_line(middle, shade(color, 0.12), thickness)
    return lambda at: np.array([base * at**2, at * (pen.bottom + 0.1)])


def _choose_green(rng: np.random.Generator) -> Color:
    return vary(rng, (78, 140, 62), 18)


def _draw_daisy(pen: Pen) -> None:
    rng = pen.rng
    green, tilt = _choose_green(rng), choose_tilt(rng)
    stem = _draw_stem(pen, 0.06, green, 0.5)
    for at, side in ((0.62, 1), (0.8, -1)):
        draw_leaf(pen, stem(at), side * rng.uniform(0.7, 1.1), rng.uniform(0.7, 1.0), 0.17, green, belly=1.5)
    white = vary(rng, (248, 247, 243), 6)
    count, turn = int(rng.integers(15, 23)), rng.uniform(0, 1)
    width = 2.1 / count
    for layer, length in ((0, 1.0), (0.5, 0.92)):
        for index in range(count):
            angle = 2 * np.pi * (index + layer + turn) / count + rng.normal(0, 0.03)
            long = length * rng.uniform(0.93, 1.0)
            shape = make_petal(long - 0.15, width, 0.15, belly=1.25, blunt=0.55)
            tone = shade(white, -0.13 if layer == 0 else -0.02)
            pen.fill_petal(tilt(rotate(shape, angle)), tone, 0.1)
            groove = np.array([[0, -0.3], [0, -0.8 * long]])
            pen.draw_line(tilt(rotate(groove, angle)), shade(tone, -0.09), 0.012)
    yellow = vary(rng, (245, 190, 35), 12)
    radius = rng.uniform(0.25, 0.33)
    pen.fill(tilt(make_disc(radius)), shade(yellow, -0.25))
    pen.fill(tilt(make_disc(radius * 0.92)), yellow)
    _draw_seeds(pen, tilt, radius * 0.85, 70, 0.028, shade(yellow, -0.16), shade(yellow, 0.3))


def _draw_seeds(
    pen: Pen, tilt: Callable[[Shape], Shape], radius: float, count: int, size: float, outer: Color, inner: Color
) -> None:
    """Draw seeds on Vogel's spiral (angle n × 137.5°, distance √n), as in real flowers."""
    for index in range(count):
        far = math.sqrt((index + 0.5) / count)
        angle = index * 2.39996
        x, y = tilt(np.array([[math.cos(angle), math.sin(angle)]]) * far * radius)[0]
        red, green, blue = (near + (wide - near) * far for near, wide in zip(inner, outer, strict=True))
        pen.draw_dot(x, y, size, (red, green, blue))


def _draw_dandelion(pen: Pen) -> None:
    rng = pen.rng
    green, tilt = _choose_green(rng), choose_tilt(rng)
    stem = _draw_stem(pen, 0.07, shade(green, 0.15), 0.4)
    for side in (-1, 1):
        _draw_toothed_leaf(pen, stem(1.0), side * rng.uniform(0.35, 0.7), rng.uniform(1.2, 1.7), green)
    for angle in np.linspace(0, 2 * np.pi, 14, endpoint=False):
        pen.fill(tilt(rotate(make_petal(0.98, 0.09, blunt=1.2), angle)), shade(green, -0.15))
    yellow = vary(rng, (252, 206, 22), 10)
    layers = 8
    for layer in range(layers):
        reach = 1.0 - 0.86 * layer / (layers - 1)
        count = round(44 - 26 * layer / (layers - 1))
        for index in range(count):
            angle = 2 * np.pi * (index + rng.uniform(-0.3, 0.3)) / count + layer
            length = reach * rng.uniform(0.86, 1.04)
            tone = shade(
                yellow, -0.2 + 0.24 * min(1, layer / 4) - 0.12 * max(0, layer - 5) / 2 + rng.uniform(-0.05, 0.05)
            )
            strip = np.array([[-0.02, 0], [-0.05, -length], [-0.02, -length * 0.96], [0.01, -length * 1.02],
                              [0.05, -length], [0.02, 0]])  # fmt: skip
            strip = tilt(rotate(strip, angle))
            pen.fill(strip, shade(tone, -0.18))
            pen.fill(strip * 0.97 + tilt(rotate(np.array([[-0.012, 0.0]]), angle)), tone)


def _draw_toothed_leaf(pen: Pen, base: np.ndarray, angle: float, length: float, color: Color) -> None:
    along = np.linspace(0, 1, 13)
    half = 0.26 * np.sin(np.pi * along**1.3) ** 0.8 * np.where(np.arange(13) % 2, 1.0, 0.45)
    shape = np.concatenate([np.stack([half, -length * along], 1), np.stack([-half, -length * along], 1)[::-1]])
    pen.fill(rotate(shape, angle) + base, shade(color, -0.2))
    pen.fill(rotate(shape * (0.85, 0.98), angle) + base, color)
    pen.draw_line(rotate(np.array([[0, 0], [0, -length * 0.95]]), angle) + base, shade(color, 0.35), 0.03)


def _draw_roses(pen: Pen) -> None:
    rng = pen.rng
    green = shade(_choose_green(rng), -0.2)
    stem = _draw_stem(pen, 0.075, green, 0.4)
    for at in (0.3, 0.5, 0.72, 0.9):
        side = rng.choice((-1, 1))
        x, y = stem(at)
        pen.fill(np.array([[x, y - 0.06], [x + side * 0.19, y - 0.05], [x, y + 0.06]]), shade(green, -0.3))
    for at, side in ((0.55, -1), (0.75, 1)):
        joint = move(stem(at), side * 0.3, -0.1)
        pen.draw_line(np.stack([stem(at), joint]), shade(green, -0.2), 0.06)
        for fan in (-0.5, 0.0, 0.5):
            draw_leaf(pen, joint, side * 1.2 + fan * 1.5, 0.62, 0.2, green, belly=0.85)
    hues = ((200, 22, 44), (214, 40, 70), (235, 110, 140), (246, 170, 180), (160, 12, 40))
    red = vary(rng, hues[int(rng.integers(len(hues)))], 10)
    for angle in np.linspace(0, 2 * np.pi, 5, endpoint=False) + rng.uniform(0, 6):
        pen.fill(rotate(make_petal(1.12, 0.16, blunt=1.3), angle), green)
    turn = rng.uniform(0, 2 * np.pi)
    layers = (
        (0.56, 0.46, 6, -0.2),
        (0.46, 0.42, 5, -0.08),
        (0.34, 0.36, 5, 0.0),
        (0.23, 0.29, 4, -0.06),
        (0.13, 0.2, 3, -0.14),
    )
    for layer, (far, size, count, tone) in enumerate(layers):
        for index in range(count):
            angle = turn + 0.55 * layer + 2 * np.pi * index / count + rng.normal(0, 0.05)
            blob = rotate(move(make_disc(size, 0.8), 0, -far), angle)
            inward = rotate(np.array([[0.02, 0.075 * (1 - 0.1 * layer)]]), angle)
            pen.fill(blob * 1.03, shade(red, tone - 0.3))
            pen.fill(blob, shade(red, max(-0.05, tone + 0.22)))
            pen.fill(blob * 0.97 + inward, shade(red, tone))
            pen.fill(
                rotate(move(make_disc(size * 0.75, 0.7), 0.03, -far + 0.16 * size), angle), shade(red, tone - 0.07)
            )
    pen.draw_dot(0, 0, 0.2, shade(red, -0.22))
    along = np.linspace(0, 1, 50)
    spiral = np.stack([np.cos(turn + 13 * along), np.sin(turn + 13 * along)], axis=1) * (0.02 + 0.2 * along[:, None])
    pen.draw_line(spiral, shade(red, -0.5), 0.035)
    pen.draw_line(spiral * 0.93, shade(red, 0.15), 0.022)


def _draw_sunflowers(pen: Pen) -> None:
    rng = pen.rng
    green, tilt = _choose_green(rng), choose_tilt(rng)
    stem = _draw_stem(pen, 0.1, green, 0.4)
    for at, side in ((0.6, -1), (0.78, 1)):
        draw_leaf(pen, stem(at), side * rng.uniform(1.0, 1.35), rng.uniform(0.95, 1.25), 0.36, green, belly=0.7)
    gold = vary(rng, (250, 178, 18), 12)
    count, turn = int(rng.integers(15, 21)), rng.uniform(0, 1)
    for layer, length, tone in ((0.5, 1.0, -0.16), (0.0, 0.93, 0.0)):
        for index in range(count):
            angle = 2 * np.pi * (index + layer + turn) / count + rng.normal(0, 0.05)
            shape = make_petal(
                length * rng.uniform(0.92, 1.02) - 0.3, 0.15, 0.3, belly=0.75, blunt=1.0, bend=rng.normal(0, 0.03)
            )
            pen.fill_petal(tilt(rotate(shape, angle)), shade(gold, tone), 0.16)
            pen.draw_line(tilt(rotate(np.array([[0, -0.45], [0, -0.8]]), angle)), shade(gold, tone - 0.15), 0.015)
    brown = vary(rng, (92, 54, 24), 8)
    radius = rng.uniform(0.44, 0.54)
    pen.fill(tilt(make_disc(radius)), shade(brown, -0.45))
    _draw_seeds(pen, tilt, radius * 0.95, 230, 0.026, shade(brown, 0.22), shade(brown, -0.35))


def _draw_tulips(pen: Pen) -> None:
    rng = pen.rng
    green = vary(rng, (92, 150, 84), 14)
    stem = _draw_stem(pen, 0.085, shade(green, 0.1), 0.35)
    for side in (-1, 1):
        length = min(2.6, 0.85 * pen.bottom) * rng.uniform(0.8, 1.0)
        draw_leaf(pen, stem(1.0), side * rng.uniform(0.22, 0.42), length, 0.21, green, belly=0.8, bend=side * 0.12)
    hues = ((214, 30, 48), (238, 92, 142), (250, 200, 40), (126, 52, 150), (246, 128, 40), (236, 60, 90))
    color = vary(rng, hues[int(rng.integers(len(hues)))], 10)
    lean, spread, wide = rng.uniform(-0.22, 0.22), rng.uniform(0.75, 1.1), rng.uniform(0.36, 0.44)
    base = np.array([0.0, 0.92])
    # From back to front: angle, outward bend, length, tone.
    petals = (
        (-0.16, -0.1, 1.84, -0.3),
        (0.16, 0.1, 1.84, -0.26),
        (-0.3, -0.24, 1.9, -0.08),
        (0.3, 0.24, 1.9, -0.14),
        (0.0, 0.0, 1.66, 0.02),
    )
    for angle, bend, length, tone in petals:
        form = {"belly": 0.72, "blunt": 0.75, "bend": bend * spread}
        shape = make_petal(length * rng.uniform(0.97, 1.03), wide, **form)
        shape = rotate(rotate(shape, angle * spread) + base, lean)
        pen.fill_petal(shape, shade(color, tone), 0.12)
        for share in (-0.5, 0.0, 0.5):
            edge, other = shape[2:12], shape[16:26][::-1]
            pen.draw_line(edge * (0.5 + share / 2) + other * (0.5 - share / 2), shade(color, tone - 0.09), 0.014)


_PAINTERS = {
    "daisy": _draw_daisy,
    "dandelion": _draw_dandelion,
    "roses": _draw_roses,
    "sunflowers": _draw_sunflowers,
    "tulips": _draw_tulips,
}
