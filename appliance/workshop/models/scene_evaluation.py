"""Evaluate a labeler on individual drawn scenes, and on runs of the scene camera with known ground truth."""

from dataclasses import dataclass
from itertools import count, islice

import numpy as np

from appliance.camera.scene.camera import DEFAULT_SIZE_PX, SceneCamera, draw_scene, generate_appearances
from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.labeling.tracker import Tracker
from appliance.settings.schema import CameraSettings, EventSettings, LabelerSettings
from appliance.workshop.models.paths import LABELS

SCENES_PER_LABEL, EMPTY_SCENES = 60, 200
# Training never uses these seeds.
DURATION_S, CAMERA_SEEDS, FPS = 96, (101, 102, 103), 5.0
_SCENES_SEED = 7


@dataclass(frozen=True, slots=True)
class EventCounts:
    """How many events of a scene camera were right, missed, and wrong."""

    right: int
    missed: int
    wrong: int

    def __add__(self, other: "EventCounts") -> "EventCounts":
        return EventCounts(self.right + other.right, self.missed + other.missed, self.wrong + other.wrong)


def print_scenes(labeler: Labeler) -> None:
    """Print how drawn scenes are labeled, and how the events of scene cameras compare with the ground truth."""
    labels = LabelFilter(labeler.bundle, LabelerSettings())
    rng = np.random.default_rng(_SCENES_SEED)
    shares = []
    for label in LABELS:
        results = [labels.select(labeler.score(draw_scene(label, rng))) for _ in range(SCENES_PER_LABEL)]
        right = sum([entry.label for entry in result] == [label] for result in results)
        shares.append(f"{label} {right / SCENES_PER_LABEL:.0%}")
    empty = [draw_scene(None, rng) for _ in range(EMPTY_SCENES)] + make_plain_frames()
    silent = sum(not labels.select(labeler.score(pixels)) for pixels in empty) / len(empty)
    print(f"drawn scenes labeled correctly: {', '.join(shares)}; empty ones not labeled: {silent:.1%}")
    counts = sum((run_scene_camera(labeler, labels, seed) for seed in CAMERA_SEEDS), EventCounts(0, 0, 0))
    print(
        f"scene cameras, {len(CAMERA_SEEDS)} × {DURATION_S} s: {counts.right} events right, {counts.missed} flowers "
        f"missed, {counts.wrong} events wrong"
    )


def make_plain_frames() -> list[np.ndarray]:
    """Create frames like those of a camera that is covered, broken, or showing a test pattern.

    Returns:
        Black, gray, white, noise, and color bars; (height, width, 3) uint8 in the size of the scenes.
    """
    width, height = DEFAULT_SIZE_PX
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    bars = np.array([[255 * (code >> bit & 1) for bit in (1, 2, 0)] for code in range(7, -1, -1)], np.uint8)
    bars = np.repeat(np.repeat(bars[None], height, axis=0), width // 8, axis=1)
    grays = [np.full((height, width, 3), gray, np.uint8) for gray in (0, 64, 128, 192, 255)]
    return [*grays, noise, noise // 4, bars, bars // 4 * 3]


def run_scene_camera(labeler: Labeler, labels: LabelFilter, seed: int) -> EventCounts:
    """Run a scene camera and compare the events with the ground truth."""
    camera = SceneCamera(CameraSettings(source="scene", fps=FPS), seed=seed)
    numbers = count()
    tracker = Tracker(labeler.labels, EventSettings(), lambda: str(next(numbers)))
    started: list[tuple[str, float]] = []
    for frame in range(round(DURATION_S * FPS)):
        scores = labels.mask(labeler.score(camera.read()))
        events = tracker.update(scores, labels.thresholds, frame / FPS, frame / FPS)
        started += [(event.label, event.started) for event in events if event.type == "started"]
    return compare_events(started, seed)


def compare_events(started: list[tuple[str, float]], seed: int) -> EventCounts:
    """Compare the started events with the flowers that a scene camera showed.

    Args:
        started: The label and time in seconds of each event.
        seed: The seed of the scene camera.

    Returns:
        The counts; events after the last flower that was completely shown are not counted.
    """
    shown = [entry for entry in islice(generate_appearances(seed), 100) if entry.label and entry.leaves_s <= DURATION_S]
    expected = [(entry.label, entry.begins_s, entry.ends_s) for entry in shown]
    right = wrong = 0
    for label, at_s in started:
        match = next((entry for entry in expected if entry[0] == label and entry[1] <= at_s <= entry[2]), None)
        if match:
            expected.remove(match)
            right += 1
        elif at_s <= shown[-1].ends_s:
            wrong += 1
    return EventCounts(right, len(expected), wrong)
