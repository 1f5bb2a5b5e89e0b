"""The figures of the bundled model, through the appliance's own code: files → bundle → labeler → filter → tracker.

Held out: the scenes come from seeds that training never uses. Three questions: is a flower that is fully in view
called by its name, is nothing reported where no flower is, and do the events that come out of a running scene camera
match what it truly showed.
"""

from itertools import count, islice
from pathlib import Path

import numpy as np
from bundled_scenes import draw_pattern

from appliance.camera.flowers import LABELS
from appliance.camera.scene import DEFAULT_SIZE_PX, SceneCamera, draw_scene, timeline
from appliance.labeling.bundle import read_bundle
from appliance.labeling.filtering import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.labeling.tracker import Tracker
from appliance.settings import CameraSettings, EventSettings, LabelerSettings

# What the bundle must reach to be written down as good.
LEAST_RIGHT, LEAST_QUIET = 0.95, 0.98
SCENES_OF_A_LABEL, EMPTY_SCENES, PATTERNS = 100, 300, 300
ROUNDS_S, RUN_SEEDS, FPS = 96, (101, 102, 103), 5.0


def evaluate(folder: Path) -> bool:
    """Prints the figures of the bundle in `folder` and says whether they are good enough."""
    bundle = read_bundle(folder)
    labeler = Labeler(bundle)
    labels = LabelFilter(bundle, LabelerSettings())
    rng = np.random.default_rng(7)
    flowers = {}
    for index, label in enumerate(LABELS):
        flowers[label] = (index, np.stack([labeler.scores(draw_scene(label, rng)) for _ in range(SCENES_OF_A_LABEL)]))
    empty = np.stack([labeler.scores(draw_scene(None, rng)) for _ in range(EMPTY_SCENES)])
    patterns = [draw_pattern(rng, DEFAULT_SIZE_PX) for _ in range(PATTERNS)] + list(plain_frames())
    simple = np.stack([labeler.scores(pixels) for pixels in patterns])

    print(f"{bundle.identity.name} {bundle.identity.version}, {bundle.model_file.stat().st_size:,} bytes, {labeler.runtime}")
    print("threshold  flowers named right (least of the labels)  empty scenes quiet  patterns quiet")
    for threshold in sorted({0.5, 0.6, 0.7, 0.8, 0.9, labels.threshold}):
        named = [_right(scores, index, threshold, labels.reportable) for index, scores in flowers.values()]
        quiet = [_quiet(scores, threshold, labels.reportable) for scores in (empty, simple)]
        mark = "  ← the bundle's" if threshold == labels.threshold else ""
        print(f"{threshold:9.2f}  {np.mean(named):19.1%} ({min(named):.1%}) {quiet[0]:29.1%} {quiet[1]:15.1%}{mark}")
    named = {}
    for label, (index, scores) in flowers.items():
        named[label] = _right(scores, index, labels.threshold, labels.reportable)
    print("at the bundle's: " + ", ".join(f"{label} {share:.0%}" for label, share in named.items()))
    quiet = min(_quiet(scores, labels.threshold, labels.reportable) for scores in (empty, simple))
    true, missed, false = (sum(values) for values in zip(*(_run(labeler, labels, seed) for seed in RUN_SEEDS), strict=True))
    print(f"running {len(RUN_SEEDS)} × {ROUNDS_S} s at {FPS:g} fps: {true} right, {missed} missed, {false} wrong events")
    good = np.mean(list(named.values())) >= LEAST_RIGHT and quiet >= LEAST_QUIET
    asked = f"{LEAST_RIGHT:.0%} named right and {LEAST_QUIET:.0%} quiet are asked for"
    print("good enough" if good else f"not good enough: {asked}")
    return good


def plain_frames() -> list[np.ndarray]:
    """What a camera shows that is covered, broken or being tested: black, grey, white, noise, colour bars."""
    width, height = DEFAULT_SIZE_PX
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    bars = np.array([[255 * (code >> bit & 1) for bit in (1, 2, 0)] for code in range(7, -1, -1)], np.uint8)
    bars = np.repeat(np.repeat(bars[None], height, axis=0), width // 8, axis=1)
    flat = [np.full((height, width, 3), grey, np.uint8) for grey in (0, 64, 128, 192, 255)]
    return [*flat, noise, noise // 4, bars, bars // 4 * 3]


def _right(scores: np.ndarray, index: int, threshold: float, reportable: np.ndarray) -> float:
    """The share of pictures for which this label, and no other, is reported."""
    reported = (scores >= threshold) & reportable
    return float((reported[:, index] & (reported.sum(axis=1) == 1)).mean())


def _quiet(scores: np.ndarray, threshold: float, reportable: np.ndarray) -> float:
    """The share of pictures for which no label is reported."""
    return float((~((scores >= threshold) & reportable).any(axis=1)).mean())


def _run(labeler: Labeler, labels: LabelFilter, seed: int) -> tuple[int, int, int]:
    """Runs a scene camera and compares the events with what it showed: how many right, missed and wrong."""
    camera = SceneCamera(CameraSettings(source="scene", fps=FPS), seed=seed)
    numbers = count()
    tracker = Tracker(labeler.labels, EventSettings(), lambda: str(next(numbers)))
    started = []
    for frame in range(round(ROUNDS_S * FPS)):
        scores = labels.masked(labeler.scores(camera.read()))
        events = tracker.update(scores, labels.thresholds, frame / FPS, frame / FPS)
        started += [(event.label, event.started) for event in events if event.type == "started"]
    shown = [entry for entry in islice(timeline(seed), 100) if entry.label and entry.leaves_s <= ROUNDS_S]
    expected = [(entry.label, entry.begins_s, entry.ends_s) for entry in shown]
    true = 0
    for label, at_s in list(started):
        match = next((entry for entry in expected if entry[0] == label and entry[1] <= at_s <= entry[2]), None)
        if match:
            expected.remove(match)
            started.remove((label, at_s))
            true += 1
        elif at_s > shown[-1].ends_s:
            started.remove((label, at_s))
    return true, len(expected), len(started)
