"""Last stage: every figure of the card, beside the real AutoML export's on the same pictures.

Needs only what the appliance itself needs, and runs through the appliance's own code: bundle → labeler → filter →
tracker. The pictures are all from val parts, from images/, or drawn from seeds that training never uses.
"""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import count, islice
from pathlib import Path

import numpy as np
from evidence import precision
from photos import photos
from places import DATA, LABELS, OTHER_SETS

from appliance.bundle.bundle import read_bundle
from appliance.camera.scene.camera import DEFAULT_SIZE_PX, SceneCamera, draw_scene, generate_appearances
from appliance.imaging.files import read_picture
from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.labeling.tracker import Tracker
from appliance.settings.schema import CameraSettings, EventSettings, LabelerSettings

AUTOML = DATA / "models" / "automl_mlkit_android"
PRECISION = 0.90
WITH_FLOWERS = (
    "mlkit_daisy.jpeg",
    "mlkit_dandelion.jpg",
    "mlkit_roses.jpeg",
    "mlkit_sunflower.jpg",
    "mlkit_tulips.jpeg",
    "sunflower.bmp",
)
SCENES_OF_A_LABEL, EMPTY_SCENES = 60, 200
ROUNDS_S, RUN_SEEDS, FPS = 96, (101, 102, 103), 5.0

_GREY = np.full((480, 640, 3), 127, np.uint8)

Array = np.ndarray


class Scores:
    """What one labeler says of all the pictures: (n, 5) scores of LABELS for each set, and flowers val's labels.

    AutoML's export has no background; its five columns are put into the order of LABELS.
    """

    def __init__(self, labeler: Labeler):
        self.columns = [labeler.labels.index(label) for label in LABELS]
        self.labeler = labeler
        flowers = [(LABELS.index(label), self._score(pixels)) for label, _, pixels in photos("flowers", "val")]
        self.truth = np.array([label for label, _ in flowers])
        self.flowers = np.stack([scores for _, scores in flowers])
        self.others = {
            name: np.stack([self._score(pixels) for _, _, pixels in photos(name, "val")]) for name in OTHER_SETS
        }
        self.images = {file.name: self._score(read_picture(file)) for file in sorted((DATA / "images").iterdir())}

    def _score(self, pixels: Array) -> Array:
        return self.labeler.score(pixels)[self.columns]

    def top_1(self) -> float:
        """The share of flowers val that is named right among the five, whatever the score."""
        return float((self.flowers.argmax(axis=1) == self.truth).mean())

    def recall(self, threshold: float) -> float:
        """The share of flowers val that is named right by a label at or above the threshold."""
        return float((self.flowers[np.arange(len(self.truth)), self.truth] >= threshold).mean())

    def precision(self, threshold: float) -> float:
        """Of all labels given to flowers val, the share that is right."""
        return precision(self.flowers, self.truth, threshold)

    def labeled(self, name: str, threshold: float) -> float:
        """The share of a set without flowers that is given a label."""
        return float((self.others[name] >= threshold).any(axis=1).mean())

    def labeled_images(self, threshold: float) -> list[str]:
        """Which of the pictures without flowers in images/ are given a label."""
        return [
            f"{name} ({LABELS[int(scores.argmax())]} {scores.max():.2f})"
            for name, scores in self.images.items()
            if name not in WITH_FLOWERS and scores.max() >= threshold
        ]


def evaluate(shipped: Path, seeds: Sequence[Path], unseen: Sequence[tuple[str, str, Path]]) -> None:
    """Prints every figure.

    Args:
        shipped: The bundle's folder.
        seeds: Bundles of the same training with other seeds; empty where they were not trained here.
        unseen: (background that was shown, set that was not, bundle) of the two runs that are not shipped.
    """
    automl = Labeler(read_bundle(AUTOML))
    ours = Labeler(read_bundle(shipped))
    threshold = ours.bundle.confidence_threshold
    mine, theirs = Scores(ours), Scores(automl)
    their_threshold = next(step / 100 for step in range(101) if theirs.precision(step / 100) >= PRECISION)
    print(
        f"{ours.identity.name} {ours.identity.version}, {ours.runtime}; its threshold is {threshold:.2f}; AutoML's export is"
    )
    print(f"given {their_threshold:.2f}, the lowest at which its precision on flowers val is {PRECISION:.2f}\n")
    print(f"{'':52}{'bundled':>9}{'AutoML':>9}")
    both = ((mine, threshold), (theirs, their_threshold))
    _row("(1) flowers val, top-1 among the five (0.87)", [f"{scores.top_1():.3f}" for scores in (mine, theirs)])
    _row("(2) flowers val, precision (0.90)", [f"{scores.precision(cut):.3f}" for scores, cut in both])
    _row("    flowers val, recall (0.75)", [f"{scores.recall(cut):.3f}" for scores, cut in both])
    _row(
        "(3) without flowers, images/: labeled of 18 (2)",
        [str(len(scores.labeled_images(cut))) for scores, cut in both],
    )
    for name in OTHER_SETS:
        _row(f"    {name} val: labeled (2 %)", [f"{scores.labeled(name, cut):.1%}" for scores, cut in both])
    _row("(4) size, bytes (1,300,000)", [f"{labeler.bundle.model_file.stat().st_size:,}" for labeler in (ours, automl)])
    ours_ms, automl_ms = invoke_ms(ours, automl)
    _row(
        f"    invoke, ms, median of the same run ({ours_ms / automl_ms:.2f} ×, of 0.6)",
        [f"{ours_ms:.2f}", f"{automl_ms:.2f}"],
    )
    _row(
        "    resident memory of a process that labels, MB",
        [f"{_resident_mb(folder):.1f}" for folder in (shipped, AUTOML)],
    )
    print_details(mine, threshold)
    print_scenes(ours)
    if seeds:
        print_seeds(seeds)
    for background, other, folder in unseen:
        scores = Scores(Labeler(read_bundle(folder)))
        cut = scores.labeler.bundle.confidence_threshold
        print(
            f"trained with {background} alone as background, threshold {cut:.2f}: of {other} val {scores.labeled(other, cut):.1%}"
        )
        print(f"  labeled (5 %), of images/ {len(scores.labeled_images(cut))} of 18; top-1 {scores.top_1():.3f}")


def print_details(scores: Scores, threshold: float) -> None:
    """What is said of each picture in images/ that counts, and of each kind of flower."""
    print(f"\nlabeled in images/ without a flower: {', '.join(scores.labeled_images(threshold)) or 'none'}")
    for name in WITH_FLOWERS:
        best = scores.images[name].max()
        said = f"{LABELS[int(scores.images[name].argmax())]} {best:.2f}"
        print(f"  {name}: {said if best >= threshold else f'nothing (best: {said})'}")
    for index, label in enumerate(LABELS):
        given = scores.flowers[scores.truth == index] >= threshold
        wrong = ", ".join(
            f"{LABELS[other]} {given[:, other].sum()}" for other in range(5) if other != index and given[:, other].any()
        )
        print(f"  {label} val: {given[:, index].sum()} of {len(given)} named; called something else: {wrong or 'none'}")


def print_seeds(seeds: Sequence[Path]) -> None:
    """The figures of each seed at its own threshold, their mean and their spread."""
    rows = []
    for folder in seeds:
        scores = Scores(Labeler(read_bundle(folder)))
        cut = scores.labeler.bundle.confidence_threshold
        images = len(scores.labeled_images(cut))
        others = [scores.labeled(name, cut) for name in OTHER_SETS]
        rows.append((cut, scores.top_1(), scores.precision(cut), scores.recall(cut), images, *others))
    heads = ("threshold", "top-1", "precision", "recall", "images", *OTHER_SETS)
    print("\n" + "".join(f"{head:>13}" for head in ("seeds", *heads)))
    table = np.array(rows)
    named = [(folder.name, row) for folder, row in zip(seeds, table, strict=True)]
    for name, row in [*named, ("mean", table.mean(axis=0)), ("spread", table.max(axis=0) - table.min(axis=0))]:
        print(f"{name:>13}" + "".join(f"{value:>13.3f}" for value in row))


def print_scenes(labeler: Labeler) -> None:
    """Drawn scenes one by one, and events of scene cameras against what they truly showed."""
    labels = LabelFilter(labeler.bundle, LabelerSettings())
    rng = np.random.default_rng(7)
    named = []
    for label in LABELS:
        said = [labels.select(labeler.score(draw_scene(label, rng))) for _ in range(SCENES_OF_A_LABEL)]
        right = sum([found.label for found in given] == [label] for given in said)
        named.append(f"{label} {right / SCENES_OF_A_LABEL:.0%}")
    empty = [draw_scene(None, rng) for _ in range(EMPTY_SCENES)] + plain_frames()
    quiet = sum(not labels.select(labeler.score(pixels)) for pixels in empty) / len(empty)
    print(f"drawn scenes named right: {', '.join(named)}; empty ones quiet: {quiet:.1%}")
    true, missed, wrong = (
        sum(values) for values in zip(*(_run(labeler, labels, seed) for seed in RUN_SEEDS), strict=True)
    )
    print(
        f"scene cameras, {len(RUN_SEEDS)} × {ROUNDS_S} s: {true} events right, {missed} flowers missed, {wrong} events wrong"
    )


def plain_frames() -> list[Array]:
    """What a camera shows that is covered, broken or being tested: black, grey, white, noise, colour bars."""
    width, height = DEFAULT_SIZE_PX
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    bars = np.array([[255 * (code >> bit & 1) for bit in (1, 2, 0)] for code in range(7, -1, -1)], np.uint8)
    bars = np.repeat(np.repeat(bars[None], height, axis=0), width // 8, axis=1)
    greys = [np.full((height, width, 3), grey, np.uint8) for grey in (0, 64, 128, 192, 255)]
    return [*greys, noise, noise // 4, bars, bars // 4 * 3]


def invoke_ms(first: Labeler, second: Labeler, blocks: int = 10, rounds: int = 30) -> tuple[float, float]:
    """The median time of invoke() of two labelers, in turns of several rounds, so that both meet the same load."""
    took: tuple[list[float], list[float]] = ([], [])
    for labeler in (first, second):
        labeler.prepare(_GREY)
    for _ in range(blocks):
        for labeler, list_ms in zip((first, second), took, strict=True):
            for _ in range(rounds):
                labeler.invoke()
                list_ms.append(labeler.inference_ms)
    return float(np.median(took[0])), float(np.median(took[1]))


def _resident_mb(folder: Path) -> float:
    """The resident memory of a process of its own that has loaded the bundle and labeled one picture."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_resident_mb_here, folder).result()


def _resident_mb_here(folder: Path) -> float:
    Labeler(read_bundle(folder)).score(_GREY)
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _run(labeler: Labeler, labels: LabelFilter, seed: int) -> tuple[int, int, int]:
    """Runs a scene camera and compares the events with what it showed: how many right, missed and wrong."""
    camera = SceneCamera(CameraSettings(source="scene", fps=FPS), seed=seed)
    numbers = count()
    tracker = Tracker(labeler.labels, EventSettings(), lambda: str(next(numbers)))
    started = []
    for frame in range(round(ROUNDS_S * FPS)):
        scores = labels.mask(labeler.score(camera.read()))
        events = tracker.update(scores, labels.thresholds, frame / FPS, frame / FPS)
        started += [(event.label, event.started) for event in events if event.type == "started"]
    shown = [entry for entry in islice(generate_appearances(seed), 100) if entry.label and entry.leaves_s <= ROUNDS_S]
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


def _row(what: str, values: Sequence[str]) -> None:
    print(f"{what:52}" + "".join(f"{value:>9}" for value in values))
