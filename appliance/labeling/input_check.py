"""Find out whether a model whose input range is assumed can tell pictures apart at all.

A model that is fed in another range than it was trained for often gives nearly the same answer to every picture. So it
labels a fixed set of unlike drawings; if no score differs much between them, the assumed range is doubtful. The limit
was chosen on published models: it finds most that are fed wrongly, and none that is fed rightly.
"""

import shlex
from collections.abc import Callable

import cv2
import numpy as np

from appliance.labeling.labeler import Labeler

MIN_SPREAD = 0.06
_RANGE_OPTIONS = ("--input-range 0..255", "--input-range 0..1", "--input-range -1..1")
_SIZE = 224


def find_input_doubt(labeler: Labeler) -> str | None:
    """Return why the input range of a model is doubtful; None if it is stated, or if the model tells pictures apart.

    Args:
        labeler: A labeler of the model; it labels a dozen drawings if the range is assumed.

    Raises:
        BundleError: The model cannot be run.
    """
    if not labeler.bundle.input.is_assumed or measure_spread(labeler.score) >= MIN_SPREAD:
        return None
    return "it answers the same to unlike pictures; its input range may be another"


def describe_assumption(name: str) -> str:
    """Return the warning about an assumed range.

    Args:
        name: The model's name.
    """
    return (
        f"{name} does not state the range of its input, so -1..1 is assumed; if it labels wrongly, compare the ranges "
        "with appliance model try, and install it again with --input-range 0..255, 0..1, or -1..1"
    )


def list_range_commands(bundle: str) -> list[str]:
    """Return the commands that compare the ranges and that state each of them.

    Args:
        bundle: How to refer to the bundle in a command.
    """
    name = shlex.quote(bundle)
    return [
        f"appliance model try PICTURE --model {name}",
        *(f"appliance model install {name} {option}" for option in _RANGE_OPTIONS),
    ]


def measure_spread(score: Callable[[np.ndarray], np.ndarray]) -> float:
    """Return the largest difference that any label's score has between two of the drawings.

    Args:
        score: Returns the scores of a (height, width, 3) uint8 RGB picture.
    """
    scores = np.stack([score(picture) for picture in draw_unlike_pictures()])
    return float((scores.max(axis=0) - scores.min(axis=0)).max())


def draw_unlike_pictures() -> list[np.ndarray]:
    """Draw the pictures, (224, 224, 3) uint8 RGB each: the same ones at every call."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:_SIZE, 0:_SIZE]
    ramp = columns * 255 // _SIZE
    waves = (127 + 100 * np.sin(columns / 9 + np.sin(rows / 17))).astype(np.uint8)
    return [
        _fill(0, 0, 0),
        _fill(255, 255, 255),
        _draw_landscape(),
        _draw_disc(_fill(245, 245, 245), 70, (200, 20, 30)),
        _draw_flower(),
        _draw_face(),
        np.repeat((((rows // 28 + columns // 28) % 2) * 255).astype(np.uint8)[..., np.newaxis], 3, axis=2),
        np.stack([waves // 4, waves // 2, waves], axis=2),
        np.stack([ramp, ramp.T, 255 - ramp], axis=2).astype(np.uint8),
        random.integers(0, 256, (_SIZE, _SIZE, 3), np.uint8),
        _draw_night(random),
        _draw_bricks(),
    ]


def _fill(red: int, green: int, blue: int) -> np.ndarray:
    return np.full((_SIZE, _SIZE, 3), (red, green, blue), np.uint8)


def _draw_disc(picture: np.ndarray, radius: int, color: tuple[int, int, int]) -> np.ndarray:
    cv2.circle(picture, (_SIZE // 2, _SIZE // 2), radius, color, -1)
    return picture


def _draw_landscape() -> np.ndarray:
    picture = _fill(120, 180, 235)
    cv2.rectangle(picture, (0, 140), (_SIZE, _SIZE), (70, 130, 50), -1)
    cv2.fillPoly(picture, [np.array([[20, 140], [80, 50], [140, 140]])], (110, 100, 95))
    cv2.circle(picture, (180, 45), 22, (255, 225, 90), -1)
    return picture


def _draw_flower() -> np.ndarray:
    picture = _fill(40, 100, 40)
    for angle in range(0, 360, 30):
        cv2.ellipse(picture, (112, 112), (85, 18), angle, 0, 360, (250, 200, 30), -1)
    return _draw_disc(picture, 30, (90, 50, 20))


def _draw_face() -> np.ndarray:
    picture = _fill(150, 150, 160)
    cv2.ellipse(picture, (112, 115), (60, 80), 0, 0, 360, (225, 175, 145), -1)
    for x in (88, 136):
        cv2.circle(picture, (x, 95), 9, (40, 30, 30), -1)
    cv2.ellipse(picture, (112, 150), (26, 12), 0, 0, 180, (150, 50, 50), -1)
    return picture


def _draw_night(random: np.random.Generator) -> np.ndarray:
    picture = _fill(8, 8, 20)
    for x, y in random.integers(0, _SIZE, (60, 2)):
        cv2.circle(picture, (int(x), int(y)), 2, (255, 240, 190), -1)
    return picture


def _draw_bricks() -> np.ndarray:
    picture = _fill(200, 195, 185)
    for row in range(8):
        for column in range(-1, 5):
            left, top = column * 56 + (row % 2) * 28, row * 28
            cv2.rectangle(picture, (left + 2, top + 2), (left + 53, top + 25), (165, 70, 50), -1)
    return picture
