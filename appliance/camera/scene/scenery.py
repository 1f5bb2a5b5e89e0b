"""Draws what is no flower: out-of-focus backgrounds, and things that pass by (a ball, a leaf, a mug …).

A background is a place and a light. It is drawn small and enlarged, as a lens draws what is far behind the flower;
the light falls on the sprites as well. The things that pass have the flowers' colours, so that colour alone does not
make a flower.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from appliance.camera.scene.sprites import Color, Pen, Sprite, iterate_bands, make_disc, draw_sprite, draw_leaf, make_petal, shade, rotate, vary

DISTRACTORS = ("ball", "leaf", "butterfly", "mug", "stone")

# Upper, middle and lower colour of each place.
_PLACES: dict[str, tuple[tuple[Color, Color, Color], ...]] = {
    "meadow": (((150, 196, 226), (124, 164, 92), (72, 122, 48)), ((206, 220, 196), (132, 160, 84), (86, 120, 50))),
    "hedge": (((64, 92, 52), (52, 86, 44), (76, 108, 58)), ((96, 124, 84), (66, 100, 58), (44, 74, 40))),
    "bed": (((120, 150, 104), (96, 110, 70), (98, 72, 50)), ((150, 170, 150), (110, 120, 84), (84, 64, 48))),
    "table": (((222, 214, 198), (206, 196, 178), (156, 112, 72)), ((176, 190, 198), (164, 176, 182), (122, 84, 56))),
    "sky": (((108, 160, 214), (158, 196, 228), (206, 222, 232)), ((150, 160, 172), (184, 190, 196), (206, 206, 200))),
}


def draw_background(rng: np.random.Generator, size_px: tuple[int, int]) -> tuple[np.ndarray, Color]:
    """A place without anything in it, and its light.

    Returns:
        (h, w, 3) uint8, and what the light multiplies red, green and blue with.
    """
    width, height = size_px
    brightness, warmth = rng.uniform(0.68, 1.1), rng.uniform(-0.08, 0.08)
    light = (brightness * (1 + warmth), brightness, brightness * (1 - warmth))
    place = str(rng.choice(list(_PLACES)))
    looks = _PLACES[place]
    top, middle, bottom = (np.array(vary(rng, colour, 10)) for colour in looks[int(rng.integers(len(looks)))])
    small_w, small_h = 80, max(16, round(80 * height / width))
    edge = rng.uniform(0.55, 0.75)
    along = np.linspace(0, 1, small_h)[:, None]
    upper = top + (middle - top) * np.clip(along / edge, 0, 1)
    # A table has an edge; everything else fades.
    mix = np.clip((along - edge) * (40 if place == "table" else 3.5), 0, 1)
    gradient = np.repeat((upper + (bottom - upper) * mix)[:, None, :], small_w, axis=1)
    image = Image.fromarray(gradient.astype(np.uint8))
    _spots(image, rng, place, edge * small_h)
    image = image.filter(ImageFilter.GaussianBlur(1.2)).resize(size_px, Image.Resampling.BICUBIC)
    if place == "table":
        _boards(image, rng, edge * height, tuple(bottom))
    pixels = np.array(image)
    # A little grain, as a sensor adds it; it also hides the steps of the gradient.
    grain = rng.standard_normal((height, width, 1), np.float32)
    grain *= np.float32(rng.uniform(0.5, 3.0))
    for band in iterate_bands(height):
        pixels[band] = np.clip(pixels[band] * np.asarray(light, np.float32) + grain[band], 0, 255)
    return pixels, light


def draw_distractor(kind: str, rng: np.random.Generator, radius_px: int, light: Color = (1, 1, 1)) -> Sprite:
    """Something that is none of the flowers (one of DISTRACTORS)."""
    return draw_sprite(_THINGS[kind], rng, radius_px, round(1.3 * radius_px), light)


def _spots(image: Image.Image, rng: np.random.Generator, place: str, edge: float) -> None:
    """What is out of focus: leaves, far blossoms, earth, clouds, light through a hedge."""
    pen = ImageDraw.Draw(image, "RGBA")
    width, height = image.size
    base = np.asarray(image)
    for _ in range({"meadow": 60, "hedge": 110, "bed": 70, "table": 6, "sky": 8}[place]):
        x, y = rng.uniform(0, width), rng.uniform(0 if place in ("hedge", "sky", "table") else 0.5 * edge, height)
        if place == "table":
            y *= 0.8 * edge / height
        radius = rng.uniform(1, 4) * (2.5 if place in ("sky", "table") else 1)
        red, green, blue = base[min(height - 1, int(y)), min(width - 1, int(x))]
        by = rng.uniform(0.0, 0.35) if place == "sky" else rng.uniform(-0.35, 0.3)
        colour = shade((int(red), int(green), int(blue)), by)
        if place in ("meadow", "bed") and rng.random() < 0.12:
            colour = tuple(rng.uniform(120, 250, 3))
        box = (x - radius, y - 0.8 * radius, x + radius, y + 0.8 * radius)
        pen.ellipse(box, fill=(*(round(value) for value in colour), int(rng.integers(60, 190))))


def _boards(image: Image.Image, rng: np.random.Generator, edge: float, wood: Color) -> None:
    """Lines between the boards of the table, which run towards the eye."""
    pen = ImageDraw.Draw(image, "RGBA")
    width, height = image.size
    red, green, blue = (round(value) for value in shade(wood, -0.35))
    vanish = rng.uniform(0.3, 0.7) * width
    for at in np.arange(-1.5, 2.5, rng.uniform(0.2, 0.35)):
        foot = at * width
        start = vanish + (foot - vanish) * 0.55
        pen.line((start, edge, foot, height), fill=(red, green, blue, 130), width=max(1, width // 320))
    pen.line((0, edge, width, edge), fill=(red, green, blue, 120), width=max(1, height // 160))


def _ball(pen: Pen) -> None:
    rng = pen.rng
    colours = (
        (220, 50, 40),
        (245, 200, 40),
        (60, 110, 200),
        (240, 240, 235),
        (240, 130, 40),
        (70, 160, 90),
        (150, 70, 160),
    )
    first, second = (colours[index] for index in rng.choice(len(colours), 2, replace=False))
    turn = rng.uniform(0, np.pi)
    pen.fill(make_disc(0.72), first)
    if rng.random() < 0.6:
        for low, high in ((-0.95, -0.35), (0.1, 0.65)):
            # A band between two latitudes of the ball, its ends on the ball's edge.
            angle = np.concatenate([np.linspace(low, high, 9), np.pi - np.linspace(high, low, 9)])
            pen.fill(rotate(np.stack([np.cos(angle), np.sin(angle)], axis=1) * 0.72, turn), second)
    pen.fill(make_disc(0.16, 0.7) + (-0.28, -0.34), shade(first, 0.6))


def _loose_leaf(pen: Pen) -> None:
    rng = pen.rng
    colours = ((86, 140, 50), (190, 150, 40), (200, 90, 40), (130, 90, 50), (60, 110, 60))
    colour = vary(rng, colours[int(rng.integers(len(colours)))], 12)
    angle = rng.uniform(0, 2 * np.pi)
    foot = rotate(np.array([[0.0, 0.9]]), angle)[0]
    draw_leaf(pen, foot, angle, 1.8, rng.uniform(0.35, 0.6), colour, belly=rng.uniform(0.7, 1))
    for at in (-0.35, 0.0, 0.35):
        for side in (-1, 1):
            vein = np.array([[0, at + 0.2], [side * 0.2, at]])
            pen.line(rotate(vein, angle), shade(colour, 0.2), 0.02)


def _butterfly(pen: Pen) -> None:
    rng = pen.rng
    colours = ((240, 150, 40), (90, 140, 220), (245, 230, 120), (235, 235, 230), (190, 70, 60))
    colour = vary(rng, colours[int(rng.integers(len(colours)))], 12)
    turn, fold = rng.uniform(-0.7, 0.7), rng.uniform(0.55, 1)
    for side in (-1, 1):
        for angle, length, width in ((2.2, 0.75, 0.26), (0.95, 1.0, 0.34)):
            wing = rotate(make_petal(length, width, belly=1.3, blunt=0.7), angle) * (side * fold, 1)
            pen.fill(rotate(wing, turn), shade(colour, -0.6))
            pen.fill(rotate(wing * 0.88, turn), colour)
            tip = rotate(np.array([[0.0, -length * 0.68]]), angle)[0] * (side * fold, 1)
            x, y = rotate(tip[None], turn)[0]
            pen.dot(x, y, 0.09, shade(colour, 0.45))
        pen.line(rotate(np.array([[0, -0.4], [side * 0.18, -0.75]]), turn), (40, 30, 25), 0.025)
    pen.fill(rotate(make_disc(0.07) * (1, 6.5), turn), (50, 38, 30))


def _mug(pen: Pen) -> None:
    rng = pen.rng
    colours = ((200, 60, 50), (235, 230, 220), (60, 100, 150), (230, 180, 60), (80, 130, 110))
    colour = vary(rng, colours[int(rng.integers(len(colours)))], 12)
    side = rng.choice((-1, 1))
    handle = np.concatenate([make_disc(0.32), make_disc(0.32)[:2]]) + (0.62, 0.05)
    pen.line(handle * (side, 1), shade(colour, -0.2), 0.13)
    body = np.array([[-0.62, -0.75], [0.62, -0.75], [0.55, 0.8], [0.4, 0.9], [-0.4, 0.9], [-0.55, 0.8]])
    pen.fill(body, colour)
    pen.fill(np.array([[-0.5, -0.7], [-0.3, -0.7], [-0.28, 0.85], [-0.42, 0.8]]), shade(colour, 0.35))
    pen.fill(make_disc(0.62, 0.2) + (0, -0.75), shade(colour, -0.25))
    pen.fill(make_disc(0.54, 0.15) + (0, -0.73), (70, 42, 26))


def _stone(pen: Pen) -> None:
    rng = pen.rng
    grey = rng.uniform(90, 190)
    colour = (grey + rng.uniform(-5, 14), grey, grey - rng.uniform(0, 20))
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    edge = 0.75 + sum(rng.normal(0, 0.04) * np.cos(k * angle + rng.uniform(0, 6)) for k in (2, 3, 4))
    shape = np.stack([np.cos(angle) * edge, np.sin(angle) * edge * rng.uniform(0.6, 0.9)], axis=1)
    pen.fill(shape, shade(colour, -0.3))
    pen.fill(shape * 0.9 - (0.05, 0.06), colour)
    pen.fill(shape * 0.5 - (0.18, 0.18), shade(colour, 0.2))
    for _ in range(25):
        x, y = rng.uniform(-0.4, 0.4, 2)
        pen.dot(x, y, rng.uniform(0.01, 0.03), shade(colour, rng.uniform(-0.3, 0.2)))


_THINGS = {"ball": _ball, "leaf": _loose_leaf, "butterfly": _butterfly, "mug": _mug, "stone": _stone}
