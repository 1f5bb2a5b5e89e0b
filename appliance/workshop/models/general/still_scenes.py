"""Measure how many events a still scene gives per hour, because sensor noise alone must not start labels."""

from collections.abc import Iterable, Iterator
from itertools import count

import numpy as np

from appliance.camera.scene.camera import draw_scene
from appliance.imaging.files import read_picture
from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.labeling.tracker import Tracker
from appliance.settings.schema import EventSettings, LabelerSettings
from appliance.workshop.models.paths import DATA
from appliance.workshop.models.photographs import read_photographs

FPS = 5
HOUR_S = 3600
# The standard deviation of the noise of a small sensor in a room in the evening, in steps of 1/255.
NOISE = 6.0
# The exposure of a frame differs this much from that of the frame before.
FLICKER = 0.01
# So many noisy copies of a scene are labeled; the frames of the hour are drawn from their scores at random.
COPIES = 60
_EVERY = 12


def read_indoor_scenes() -> Iterator[np.ndarray]:
    """Yield pictures of rooms: photographs of garments at home, a table with many things, and drawn rooms."""
    for index, photograph in enumerate(read_photographs("clothing", "val")):
        if index % _EVERY == 0:
            yield photograph.pixels
    yield read_picture(DATA / "images" / "multi_objects.jpg")
    for seed in (0, 1, 2):
        yield draw_scene(None, np.random.default_rng(seed))


def count_events(labeler: Labeler, scenes: Iterable[np.ndarray]) -> list[int]:
    """Return how many events start in an hour of each still scene, with default settings."""
    rng = np.random.default_rng(0)
    labels = LabelFilter(labeler.bundle, LabelerSettings())
    counts = []
    numbers = count()
    for scene in scenes:
        scores = [labeler.score(add_noise(scene, rng)) for _ in range(COPIES)]
        tracker = Tracker(labeler.labels, EventSettings(), lambda: f"{next(numbers)}")
        started = 0
        for frame, copy in enumerate(rng.integers(0, COPIES, HOUR_S * FPS)):
            events = tracker.update(labels.mask(scores[copy]), labels.thresholds, frame / FPS, frame / FPS)
            started += sum(event.type == "started" for event in events)
        counts.append(started)
    return counts


def add_noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a frame of a still scene: the picture with sensor noise and flicker, uint8."""
    exposure = 1 + FLICKER * rng.standard_normal()
    noisy = pixels * exposure + NOISE * rng.standard_normal(pixels.shape, np.float32)
    result: np.ndarray = np.clip(noisy + 0.5, 0, 255).astype(np.uint8)
    return result
