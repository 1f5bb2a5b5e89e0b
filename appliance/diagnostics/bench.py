"""What a frame costs, stage by stage, and the whole of it against the bare interpreter.

Whole frames and bare invokes are measured in turn in one run, as CPU time of the process, and compared by their
medians: the machine may be noisy or change its clock without moving the ratio.
"""

import statistics
import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from appliance.bundle.bundle import Bundle
from appliance.bundle.identity import ModelIdentity
from appliance.imaging.view import View
from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.labeling.tracker import Tracker
from appliance.settings.schema import EventSettings, LabelerSettings
from appliance.system.metrics import measure_rss_mb

FRAME_PX = (1280, 720)
# A region, so that cropping is part of what is measured.
REGION = (0.1, 0.1, 0.8, 0.8)
STAGES = ("prepare", "invoke", "scores", "filter", "track")


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Medians of one interleaved run.

    Attributes:
        ratio: CPU time of the whole frame over that of the bare invoke.
        stages_ms: CPU milliseconds of each stage.
        frame_ms: CPU milliseconds of the whole frame.
        invoke_ms: CPU milliseconds of the bare invoke, without any stage around it.
        runtime: The TFLite runtime and its version.
        model: Which model was measured.
        rss_mb: The process's resident memory at the end.
    """

    ratio: float
    stages_ms: dict[str, float]
    frame_ms: float
    invoke_ms: float
    runtime: str
    model: ModelIdentity
    measure_rss_mb: float


def measure(bundle: Bundle, rounds: int = 300, pause_s: float = 0.0) -> BenchResult:
    """Measures frames of 1280×720 in memory: region, resize, invoke, scores, filter, track; one thread.

    Args:
        bundle: The model.
        rounds: How many frames, and as many bare invokes.
        pause_s: Before each frame. One that comes after a pause costs more than one in a row: caches have gone cold.

    Raises:
        ModelError: The bundle cannot be loaded.
    """
    labeler = Labeler(bundle, view=View(region=REGION))
    label_filter = LabelFilter(bundle, LabelerSettings())
    tracker = Tracker(labeler.labels, EventSettings(), lambda: "bench")
    pixels = np.random.default_rng(0).integers(0, 256, (FRAME_PX[1], FRAME_PX[0], 3), np.uint8)
    stages: dict[str, list[int]] = {name: [] for name in STAGES}
    whole_ns, bare_ns = [], []

    def frame(number: int) -> list[int]:
        marks = [time.process_time_ns()]
        labeler.prepare(pixels)
        marks.append(time.process_time_ns())
        labeler.invoke()
        marks.append(time.process_time_ns())
        scores = labeler.read_scores()
        marks.append(time.process_time_ns())
        label_filter.select(scores)
        masked = label_filter.mask(scores)
        marks.append(time.process_time_ns())
        tracker.update(masked, label_filter.thresholds, float(number), float(number))
        marks.append(time.process_time_ns())
        return marks

    for number in range(-rounds // 10, rounds):
        time.sleep(pause_s)
        marks = frame(number)
        begin = time.process_time_ns()
        labeler.invoke()
        end = time.process_time_ns()
        if number >= 0:  # the first tenth warms caches and the clock up
            whole_ns.append(marks[-1] - marks[0])
            bare_ns.append(end - begin)
            for name, (start, stop) in zip(STAGES, pairwise(marks), strict=True):
                stages[name].append(stop - start)
    frame_ms, invoke_ms = statistics.median(whole_ns) / 1e6, statistics.median(bare_ns) / 1e6
    return BenchResult(
        ratio=frame_ms / invoke_ms,
        stages_ms={name: statistics.median(times) / 1e6 for name, times in stages.items()},
        frame_ms=frame_ms,
        invoke_ms=invoke_ms,
        runtime=labeler.runtime,
        model=labeler.identity,
        measure_rss_mb=measure_rss_mb(),
    )
