"""Drawn scenes: the camera of the demo, and of tests if no other camera is available.

Flowers appear in a garden or on a table one after the other, stay for a few seconds, swaying slightly, and leave. In
between, the scene is empty, or an object that is not a flower passes by. The seed alone determines what is visible at
any time. Time is counted in frames (one frame is 1/fps seconds), so a faster reader gets the same scenes sooner. Scenes
never end, regardless of `camera.loop`.

Drawing takes as long as several frames, and a real camera would not pause for it. So each background and sprite is
drawn only once, in a separate thread, one appearance ahead; a frame is the background with the sprite pasted onto it.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from appliance.camera.scene.flowers import LABELS, draw_flower
from appliance.camera.scene.scenery import DISTRACTORS, draw_background, draw_distractor
from appliance.camera.scene.sprites import Color, Sprite, paste
from appliance.settings.schema import CameraSettings

DEFAULT_SIZE_PX = (640, 480)
# Within this time, every label has been fully in view once.
ROUND_S = 48.0

_FIRST_S = 0.4
_MOVE_S = 0.8
_PASS_S = 2.4
# Longer than events.end_after_s, so that a flower's event ends before the next one begins.
_EMPTY_S = 3.2


@dataclass(frozen=True, slots=True)
class Appearance:
    """One object that comes and goes. Times are seconds since the first frame.

    Attributes:
        kind: A label of flowers.LABELS, or one of scenery.DISTRACTORS.
        label: The kind if it is a flower, else None.
        begins_s: Time at which it begins to move in.
        arrived_s: Time at which it is fully in view.
        leaves_s: Time at which it begins to leave.
        ends_s: Time at which it has left.
        index: Index among all appearances, from 0.
        background_index: Index of the background, from 0; each round of five flowers has its own.
    """

    kind: str
    label: str | None
    begins_s: float
    arrived_s: float
    leaves_s: float
    ends_s: float
    index: int
    background_index: int


@dataclass(frozen=True, slots=True)
class Showing:
    """Ground truth of a frame: the label of the flower (None: no flower), and whether it is fully in view."""

    label: str | None
    whole: bool


def generate_appearances(seed: int) -> Iterator[Appearance]:
    """Yield appearances endlessly; each round has all flowers in random order, never the same twice in a row."""
    rng = np.random.default_rng((seed, 0))
    now_s, index, background_index, last = _FIRST_S, 0, 0, None
    while True:
        order = [str(label) for label in rng.permutation(LABELS)]
        if order[0] == last:
            order.append(order.pop(0))
        for label in order:
            arrived_s = now_s + _MOVE_S
            leaves_s = arrived_s + rng.uniform(3.6, 4.4)
            ends_s = leaves_s + _MOVE_S
            yield Appearance(label, label, now_s, arrived_s, leaves_s, ends_s, index, background_index)
            now_s, index, last = ends_s + _EMPTY_S, index + 1, label
            if label != order[-1] and rng.random() < 0.5:
                begins_s = ends_s + 0.5 * (_EMPTY_S - _PASS_S)
                # A distractor crosses the view without resting.
                middle_s = begins_s + 0.5 * _PASS_S
                kind = str(rng.choice(DISTRACTORS))
                yield Appearance(kind, None, begins_s, middle_s, middle_s, begins_s + _PASS_S, index, background_index)
                index += 1
        background_index += 1


def draw_subject(
    kind: str, rng: np.random.Generator, size_px: tuple[int, int], light: Color
) -> tuple[Sprite, int, int]:
    """Draw a flower or a distractor, and choose a position in the frame that shows its whole head.

    Returns:
        The sprite, and x and y of its center in pixels.
    """
    width, height = size_px
    radius = round(min(width, height) * rng.uniform(0.12 if kind in DISTRACTORS else 0.2, 0.34))
    margin = 1.08 * radius
    x = round(rng.uniform(max(margin, 0.2 * width), width - max(margin, 0.2 * width)))
    y = round(rng.uniform(margin, max(margin, 0.62 * height)))
    if kind in DISTRACTORS:
        # Objects that cannot fly rest in the lower part.
        highest = margin if kind in ("leaf", "butterfly") else max(margin, 0.7 * height)
        y = round(rng.uniform(highest, max(highest, height - margin)))
        return draw_distractor(kind, rng, radius, light), x, y
    # The stem extends below the frame, so that its end never shows while the flower sways.
    return draw_flower(kind, rng, radius, round(1.05 * height) - y, light), x, y


def draw_scene(label: str | None, rng: np.random.Generator, size_px: tuple[int, int] = DEFAULT_SIZE_PX) -> np.ndarray:
    """Draw a single scene.

    Args:
        label: The flower that is fully in view; None draws no flower, and a distractor in half of the scenes.
        rng: Decides everything else: setting, light, appearance and position of the flower.
        size_px: (width, height).

    Returns:
        (h, w, 3) uint8 RGB.
    """
    frame, light = draw_background(rng, size_px)
    if label is not None or rng.random() < 0.5:
        kind = label or str(rng.choice(DISTRACTORS))
        sprite, x, y = draw_subject(kind, rng, size_px, light)
        paste(frame, sprite, x, y)
    return frame


@dataclass(frozen=True, slots=True)
class _DrawnAppearance:
    """Everything for the frames of one appearance: background, (h, w, 3) uint8; light; sprite and position."""

    background_index: int
    background: np.ndarray
    light: Color
    sprite: Sprite
    x: int
    y: int


class SceneCamera:
    """Drawn scenes as a camera. Each read returns the next frame, 1/fps seconds of the scenes later.

    Attributes:
        showing: Ground truth of the last frame that was read.
    """

    live = False
    dropped = 0
    damaged = 0

    def __init__(self, settings: CameraSettings, seed: int = 1):
        self.size_px = settings.size or DEFAULT_SIZE_PX
        self.description = f"drawn scenes, {self.size_px[0]}×{self.size_px[1]} at {settings.fps:g} frames a second"
        self.showing = Showing(None, False)
        self._fps = settings.fps
        self._seed = seed
        self._frames = 0
        self._appearances = generate_appearances(seed)
        self._current = next(self._appearances)
        self._next = next(self._appearances)
        self._drawn = self._draw(self._current, None)
        self._executor = ThreadPoolExecutor(1, "scenes")
        self._next_drawn = self._executor.submit(self._draw, self._next, self._drawn)

    def read(self) -> np.ndarray:
        """Return the next frame, (h, w, 3) uint8 RGB; wait only if the reader is faster than the drawing."""
        time_s = self._frames / self._fps
        self._frames += 1
        while time_s >= self._next.begins_s:
            self._drawn = self._next_drawn.result()
            self._current, self._next = self._next, next(self._appearances)
            self._next_drawn = self._executor.submit(self._draw, self._next, self._drawn)
        current, drawn = self._current, self._drawn
        frame = drawn.background.copy()
        visible = current.begins_s <= time_s < current.ends_s
        if visible:
            dx, dy = self._compute_offset(time_s)
            paste(frame, drawn.sprite, drawn.x + dx, drawn.y + dy)
        whole = current.arrived_s <= time_s < current.leaves_s
        self.showing = Showing(current.label if visible else None, whole)
        return frame

    def close(self) -> None:
        """Stop drawing ahead."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _make_rng(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, *stream))

    def _draw(self, appearance: Appearance, before: _DrawnAppearance | None) -> _DrawnAppearance:
        index = appearance.background_index
        if before is not None and before.background_index == index:
            background, light = before.background, before.light
        else:
            background, light = draw_background(self._make_rng(1, index), self.size_px)
        rng = self._make_rng(2, appearance.index)
        return _DrawnAppearance(index, background, light, *draw_subject(appearance.kind, rng, self.size_px, light))

    def _compute_offset(self, time_s: float) -> tuple[int, int]:
        """Return the sprite's offset from its position: it enters from a side or from below, sways, and leaves."""
        current = self._current
        width, height = self.size_px
        # A distractor crosses the picture; a flower leaves toward the side it came from, or toward the other one.
        side, onward = self._make_rng(3, current.index).integers((3, 2))
        entering = (time_s - current.begins_s) / max(current.arrived_s - current.begins_s, 1e-9) - 1
        leaving = (time_s - current.leaves_s) / max(current.ends_s - current.leaves_s, 1e-9)
        away = min(entering, 0.0) + max(leaving, 0.0)
        sway = math.sin(2.1 * time_s + current.index) * 0.006 * width
        bob = math.sin(1.3 * time_s) * 0.004 * height
        if current.label is not None:
            # Slow near the resting position, fast outside.
            away = math.copysign(away * away, away)
            if side == 2:
                return round(sway), round(bob + abs(away) * height)
            away = away if onward else abs(away)
        return round(sway + away * width * (1 if side else -1)), round(bob)
