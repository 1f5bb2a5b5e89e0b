"""Drawn scenes: the camera of the demo and of the tests, for when there is no other.

Flowers come into a garden or onto a table one after the other, stay some seconds, swaying a little, and go; in
between there is nothing, or something that is no flower passes. What is to be seen at which time follows from the
seed alone, and time is counted in frames (one is 1/fps seconds), so nobody has to wait for it: whoever reads faster
sees the same scenes sooner. Scenes never end, whatever `camera.loop` says.

A background and a sprite are drawn once, on a thread beside and one appearance ahead, because drawing takes as long as
several frames and no real camera pauses for it; a frame is the background with the sprite laid over it.
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
# Every label has been fully in view once within so many seconds of scenes.
ROUND_S = 48.0

_FIRST_S = 0.4
_MOVE_S = 0.8
_PASS_S = 2.4
# Longer than events.end_after_s, so that a flower's event ends before the next one begins.
_EMPTY_S = 3.2


@dataclass(frozen=True, slots=True)
class Appearance:
    """One thing that comes and goes. Times are seconds since the first frame.

    Attributes:
        kind: A label of flowers.LABELS, or one of scenery.DISTRACTORS.
        label: The kind where it is a flower, else None.
        begins_s: When it begins to move in.
        arrived_s: From here on it is fully in view …
        leaves_s: … until here.
        ends_s: When it has gone.
        number: Counts all appearances, from 0.
        place: Counts the backgrounds, from 0: each round of five flowers has its own.
    """

    kind: str
    label: str | None
    begins_s: float
    arrived_s: float
    leaves_s: float
    ends_s: float
    number: int
    draw_subject: int


@dataclass(frozen=True, slots=True)
class Showing:
    """What a frame truly shows: the label of the flower (None: no flower), and whether it is fully in view."""

    label: str | None
    whole: bool


def generate_appearances(seed: int) -> Iterator[Appearance]:
    """What appears when, without end; the flowers of a round come in any order, never one twice in a row."""
    rng = np.random.default_rng((seed, 0))
    now_s, number, draw_subject, last = _FIRST_S, 0, 0, None
    while True:
        order = [str(label) for label in rng.permutation(LABELS)]
        if order[0] == last:
            order.append(order.pop(0))
        for label in order:
            arrived_s = now_s + _MOVE_S
            leaves_s = arrived_s + rng.uniform(3.6, 4.4)
            yield Appearance(label, label, now_s, arrived_s, leaves_s, leaves_s + _MOVE_S, number, draw_subject)
            ends_s = leaves_s + _MOVE_S
            now_s, number, last = ends_s + _EMPTY_S, number + 1, label
            if label != order[-1] and rng.random() < 0.5:
                begins_s = ends_s + 0.5 * (_EMPTY_S - _PASS_S)
                # What passes is in view, but never stays.
                middle_s = begins_s + 0.5 * _PASS_S
                kind = str(rng.choice(DISTRACTORS))
                yield Appearance(kind, None, begins_s, middle_s, middle_s, begins_s + _PASS_S, number, draw_subject)
                number += 1
        draw_subject += 1


def draw_subject(kind: str, rng: np.random.Generator, size_px: tuple[int, int], light: Color) -> tuple[Sprite, int, int]:
    """Draws a flower or a thing and gives it a place (x, y) in the frame where all of its head is inside."""
    width, height = size_px
    radius = round(min(width, height) * rng.uniform(0.12 if kind in DISTRACTORS else 0.2, 0.34))
    margin = 1.08 * radius
    x = round(rng.uniform(max(margin, 0.2 * width), width - max(margin, 0.2 * width)))
    y = round(rng.uniform(margin, max(margin, 0.62 * height)))
    if kind in DISTRACTORS:
        # What cannot fly lies or stands low.
        highest = margin if kind in ("leaf", "butterfly") else max(margin, 0.7 * height)
        y = round(rng.uniform(highest, max(highest, height - margin)))
        return draw_distractor(kind, rng, radius, light), x, y
    # The stem reaches a little below the frame, so that its end never shows while the flower sways.
    return draw_flower(kind, rng, radius, round(1.05 * height) - y, light), x, y


def draw_scene(label: str | None, rng: np.random.Generator, size_px: tuple[int, int] = DEFAULT_SIZE_PX) -> np.ndarray:
    """One scene on its own, with a flower fully in view or, for None, with no flower (but perhaps something else).

    Args:
        rng: Decides everything else: the place, the light, the flower's looks and where it stands.
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
class _Drawn:
    """What one appearance needs: background (h, w, 3) uint8, its light, the sprite and its place."""

    draw_subject: int
    background: np.ndarray
    light: Color
    sprite: Sprite
    x: int
    y: int


class SceneCamera:
    """Drawn scenes as a camera. Each read is the next frame, 1/fps seconds of the scenes later.

    Attributes:
        showing: What the frame that was read last truly shows.
    """

    live = False
    dropped = 0

    def __init__(self, settings: CameraSettings, seed: int = 1):
        self.size_px = settings.size or DEFAULT_SIZE_PX
        self.description = f"drawn scenes, {self.size_px[0]}×{self.size_px[1]} at {settings.fps:g} frames a second"
        self.showing = Showing(None, False)
        self._fps = settings.fps
        self._seed = seed
        self._frames = 0
        self._timeline = generate_appearances(seed)
        self._now = next(self._timeline)
        self._next = next(self._timeline)
        self._drawn = self._draw(self._now, None)
        self._beside = ThreadPoolExecutor(1, "scenes")
        self._ahead = self._beside.submit(self._draw, self._next, self._drawn)

    def read(self) -> np.ndarray:
        """The next frame, (h, w, 3) uint8 RGB; never ends, and waits only for a reader that outruns the drawing."""
        second = self._frames / self._fps
        self._frames += 1
        while second >= self._next.begins_s:
            self._drawn = self._ahead.result()
            self._now, self._next = self._next, next(self._timeline)
            self._ahead = self._beside.submit(self._draw, self._next, self._drawn)
        now, drawn = self._now, self._drawn
        frame = drawn.background.copy()
        visible = now.begins_s <= second < now.ends_s
        if visible:
            dx, dy = self._offset(second)
            paste(frame, drawn.sprite, drawn.x + dx, drawn.y + dy)
        self.showing = Showing(now.label if visible else None, now.arrived_s <= second < now.leaves_s)
        return frame

    def close(self) -> None:
        """Draws no further ahead."""
        self._beside.shutdown(wait=False, cancel_futures=True)

    def _random(self, *what: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, *what))

    def _draw(self, appearance: Appearance, before: _Drawn | None) -> _Drawn:
        if before is not None and before.place == appearance.place:
            background, light = before.background, before.light
        else:
            background, light = draw_background(self._random(1, appearance.place), self.size_px)
        rng = self._random(2, appearance.number)
        return _Drawn(appearance.place, background, light, *draw_subject(appearance.kind, rng, self.size_px, light))

    def _offset(self, second: float) -> tuple[int, int]:
        """How far from its place the sprite is: it comes in from a side or from below, sways, and goes again."""
        now = self._now
        width, height = self.size_px
        # A thing that passes crosses the picture; a flower goes back to where it came from, or on to the other side.
        side, onward = self._random(3, now.number).integers((3, 2))
        came = (second - now.begins_s) / max(now.arrived_s - now.begins_s, 1e-9) - 1
        goes = (second - now.leaves_s) / max(now.ends_s - now.leaves_s, 1e-9)
        away = min(came, 0.0) + max(goes, 0.0)
        sway = math.sin(2.1 * second + now.number) * 0.006 * width
        bob = math.sin(1.3 * second) * 0.004 * height
        if now.label is not None:
            # Slowly at the place of rest, quickly outside.
            away = math.copysign(away * away, away)
            if side == 2:
                return round(sway), round(bob + abs(away) * height)
            away = away if onward else abs(away)
        return round(sway + away * width * (1 if side else -1)), round(bob)
