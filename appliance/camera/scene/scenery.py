"""Draw everything that is not a flower: out-of-focus backgrounds and distractors (a ball, a leaf, a mug, …).

A background is a setting under a light. It is drawn small and enlarged, because a lens blurs objects far behind the
flower; the same light is applied to the sprites. Distractors have the flowers' colors, so that color alone does not
identify a flower.
"""

import numpy as np

from appliance.camera.scene.sprites import (
    Color,
    Pen,
    Sprite,
    draw_leaf,
    draw_sprite,
    iterate_bands,
    make_disc,
    make_petal,
    move,
    rotate,
    shade,
    vary,
)
from appliance.imaging.canvas import Canvas

DISTRACTORS = ("ball", "leaf", "butterfly", "mug", "stone")

# Upper, middle and lower color of each setting, in variants.
_SETTINGS: dict[str, tuple[tuple[Color, Color, Color], ...]] = {
    "meadow": (((150, 196, 226), (124, 164, 92), (72, 122, 48)), ((206, 220, 196), (132, 160, 84), (86, 120, 50))),
    "hedge": (((64, 92, 52), (52, 86, 44), (76, 108, 58)), ((96, 124, 84), (66, 100, 58), (44, 74, 40))),
    "bed": (((120, 150, 104), (96, 110, 70), (98, 72, 50)), ((150, 170, 150), (110, 120, 84), (84, 64, 48))),
    "table": (((222, 214, 198), (206, 196, 178), (156, 112, 72)), ((176, 190, 198), (164, 176, 182), (122, 84, 56))),
    "sky": (((108, 160, 214), (158, 196, 228), (206, 222, 232)), ((150, 160, 172), (184, 190, 196), (206, 206, 200))),
}
# The width at which a background is drawn before it is enlarged.
_SMALL_WIDTH_PX = 80


def draw_background(rng: np.random.Generator, size_px: tuple[int, int]) -> tuple[np.ndarray, Color]:
    """Draw an empty setting and return it with its light.

    Returns:
        (h, w, 3) uint8, and the light's factors for red, green and blue.
    """
    width, height = size_px
    brightness, warmth = rng.uniform(0.68, 1.1), rng.uniform(-0.08, 0.08)
    light = (brightness * (1 + warmth), brightness, brightness * (1 - warmth))
    setting = str(rng.choice(list(_SETTINGS)))
    variants = _SETTINGS[setting]
    top, middle, bottom = (vary(rng, color, 10) for color in variants[int(rng.integers(len(variants)))])
    small_height = max(16, round(_SMALL_WIDTH_PX * height / width))
    edge = rng.uniform(0.55, 0.75)
    canvas = Canvas.from_pixels(_draw_gradient((top, middle, bottom), small_height, edge, sharp=setting == "table"))
    _draw_spots(canvas, rng, setting, edge * small_height)
    canvas.blur(1.2)
    canvas.resize(size_px)
    if setting == "table":
        _draw_boards(canvas, rng, edge * height, bottom)
    pixels = canvas.pixels
    # Sensors add a little grain; it also hides the steps of the gradient.
    grain = rng.standard_normal((height, width, 1), np.float32)
    grain *= np.float32(rng.uniform(0.5, 3.0))
    for band in iterate_bands(height):
        pixels[band] = np.clip(pixels[band] * np.asarray(light, np.float32) + grain[band], 0, 255)
    return pixels, light


def draw_distractor(kind: str, rng: np.random.Generator, radius_px: int, light: Color = (1, 1, 1)) -> Sprite:
    """Draw an object that is not a flower (one of DISTRACTORS); arguments as in flowers.draw_flower."""
    return draw_sprite(_PAINTERS[kind], rng, radius_px, round(1.3 * radius_px), light)


def _draw_gradient(colors: tuple[Color, Color, Color], height: int, edge: float, sharp: bool) -> np.ndarray:
    """Return a vertical gradient of three colors, (height, _SMALL_WIDTH_PX, 3) uint8.

    Args:
        colors: Upper, middle and lower color.
        height: Rows.
        edge: Position of the middle color, 0 to 1.
        sharp: Change to the lower color abruptly (the edge of a table) instead of gradually.
    """
    top, middle, bottom = (np.array(color) for color in colors)
    along = np.linspace(0, 1, height)[:, None]
    upper = top + (middle - top) * np.clip(along / edge, 0, 1)
    mix = np.clip((along - edge) * (40 if sharp else 3.5), 0, 1)
    gradient = np.repeat((upper + (bottom - upper) * mix)[:, None, :], _SMALL_WIDTH_PX, axis=1)
    return gradient.astype(np.uint8)


def _draw_spots(canvas: Canvas, rng: np.random.Generator, setting: str, edge: float) -> None:
    """Draw objects that are out of focus: leaves, distant blossoms, soil, clouds, light through a hedge."""
    width, height = canvas.size_px
    base = canvas.pixels
    for _ in range({"meadow": 60, "hedge": 110, "bed": 70, "table": 6, "sky": 8}[setting]):
        x, y = rng.uniform(0, width), rng.uniform(0 if setting in ("hedge", "sky", "table") else 0.5 * edge, height)
        if setting == "table":
            y *= 0.8 * edge / height
        radius = rng.uniform(1, 4) * (2.5 if setting in ("sky", "table") else 1)
        red, green, blue = base[min(height - 1, int(y)), min(width - 1, int(x))]
        by = rng.uniform(0.0, 0.35) if setting == "sky" else rng.uniform(-0.35, 0.3)
        color = shade((int(red), int(green), int(blue)), by)
        if setting in ("meadow", "bed") and rng.random() < 0.12:
            red, green, blue = rng.uniform(120, 250, 3)
            color = (red, green, blue)
        box = (x - radius, y - 0.8 * radius, x + radius, y + 0.8 * radius)
        canvas.fill_ellipse(box, (*(round(value) for value in color), int(rng.integers(60, 190))))


def _draw_boards(canvas: Canvas, rng: np.random.Generator, edge: float, wood: Color) -> None:
    """Draw the lines between the boards of the table, converging away from the viewer."""
    width, height = canvas.size_px
    red, green, blue = (round(value) for value in shade(wood, -0.35))
    vanish = rng.uniform(0.3, 0.7) * width
    for at in np.arange(-1.5, 2.5, rng.uniform(0.2, 0.35)):
        front = at * width
        back = vanish + (front - vanish) * 0.55
        canvas.draw_line((back, edge, front, height), (red, green, blue, 130), max(1, width // 320))
    canvas.draw_line((0, edge, width, edge), (red, green, blue, 120), max(1, height // 160))


def _draw_ball(pen: Pen) -> None:
    rng = pen.rng
    colors = (
        (220, 50, 40),
        (245, 200, 40),
        (60, 110, 200),
        (240, 240, 235),
        (240, 130, 40),
        (70, 160, 90),
        (150, 70, 160),
    )
    first, second = (colors[index] for index in rng.choice(len(colors), 2, replace=False))
    turn = rng.uniform(0, np.pi)
    pen.fill(make_disc(0.72), first)
    if rng.random() < 0.6:
        for low, high in ((-0.95, -0.35), (0.1, 0.65)):
            # A band between two latitudes of the ball, its ends on the ball's edge.
            angle = np.concatenate([np.linspace(low, high, 9), np.pi - np.linspace(high, low, 9)])
            pen.fill(rotate(np.stack([np.cos(angle), np.sin(angle)], axis=1) * 0.72, turn), second)
    pen.fill(move(make_disc(0.16, 0.7), -0.28, -0.34), shade(first, 0.6))


def _draw_loose_leaf(pen: Pen) -> None:
    rng = pen.rng
    colors = ((86, 140, 50), (190, 150, 40), (200, 90, 40), (130, 90, 50), (60, 110, 60))
    color = vary(rng, colors[int(rng.integers(len(colors)))], 12)
    angle = rng.uniform(0, 2 * np.pi)
    base = rotate(np.array([[0.0, 0.9]]), angle)[0]
    draw_leaf(pen, base, angle, 1.8, rng.uniform(0.35, 0.6), color, belly=rng.uniform(0.7, 1))
    for at in (-0.35, 0.0, 0.35):
        for side in (-1, 1):
            vein = np.array([[0, at + 0.2], [side * 0.2, at]])
            pen.draw_line(rotate(vein, angle), shade(color, 0.2), 0.02)


def _draw_butterfly(pen: Pen) -> None:
    rng = pen.rng
    colors = ((240, 150, 40), (90, 140, 220), (245, 230, 120), (235, 235, 230), (190, 70, 60))
    color = vary(rng, colors[int(rng.integers(len(colors)))], 12)
    turn, fold = rng.uniform(-0.7, 0.7), rng.uniform(0.55, 1)
    for side in (-1, 1):
        for angle, length, width in ((2.2, 0.75, 0.26), (0.95, 1.0, 0.34)):
            wing = rotate(make_petal(length, width, belly=1.3, blunt=0.7), angle) * (side * fold, 1)
            pen.fill(rotate(wing, turn), shade(color, -0.6))
            pen.fill(rotate(wing * 0.88, turn), color)
            tip = rotate(np.array([[0.0, -length * 0.68]]), angle)[0] * (side * fold, 1)
            x, y = rotate(tip[None], turn)[0]
            pen.draw_dot(x, y, 0.09, shade(color, 0.45))
        pen.draw_line(rotate(np.array([[0, -0.4], [side * 0.18, -0.75]]), turn), (40, 30, 25), 0.025)
    pen.fill(rotate(make_disc(0.07) * (1, 6.5), turn), (50, 38, 30))


def _draw_mug(pen: Pen) -> None:
    rng = pen.rng
    colors = ((200, 60, 50), (235, 230, 220), (60, 100, 150), (230, 180, 60), (80, 130, 110))
    color = vary(rng, colors[int(rng.integers(len(colors)))], 12)
    side = rng.choice((-1, 1))
    handle = move(np.concatenate([make_disc(0.32), make_disc(0.32)[:2]]), 0.62, 0.05)
    pen.draw_line(handle * (side, 1), shade(color, -0.2), 0.13)
    body = np.array([[-0.62, -0.75], [0.62, -0.75], [0.55, 0.8], [0.4, 0.9], [-0.4, 0.9], [-0.55, 0.8]])
    pen.fill(body, color)
    pen.fill(np.array([[-0.5, -0.7], [-0.3, -0.7], [-0.28, 0.85], [-0.42, 0.8]]), shade(color, 0.35))
    pen.fill(move(make_disc(0.62, 0.2), 0, -0.75), shade(color, -0.25))
    pen.fill(move(make_disc(0.54, 0.15), 0, -0.73), (70, 42, 26))


def _draw_stone(pen: Pen) -> None:
    rng = pen.rng
    gray = rng.uniform(90, 190)
    color = (gray + rng.uniform(-5, 14), gray, gray - rng.uniform(0, 20))
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    edge = 0.75 + sum(rng.normal(0, 0.04) * np.cos(k * angle + rng.uniform(0, 6)) for k in (2, 3, 4))
    shape = np.stack([np.cos(angle) * edge, np.sin(angle) * edge * rng.uniform(0.6, 0.9)], axis=1)
    pen.fill(shape, shade(color, -0.3))
    pen.fill(shape * 0.9 - (0.05, 0.06), color)
    pen.fill(shape * 0.5 - (0.18, 0.18), shade(color, 0.2))
    for _ in range(25):
        x, y = rng.uniform(-0.4, 0.4, 2)
        pen.draw_dot(x, y, rng.uniform(0.01, 0.03), shade(color, rng.uniform(-0.3, 0.2)))


_PAINTERS = {
    "ball": _draw_ball,
    "leaf": _draw_loose_leaf,
    "butterfly": _draw_butterfly,
    "mug": _draw_mug,
    "stone": _draw_stone,
}
