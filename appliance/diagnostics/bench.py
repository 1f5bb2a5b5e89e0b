"""Measure the CPU time per frame, stage by stage, and compare the total with the bare interpreter.

Whole frames and bare invokes alternate in one run. Both are measured as CPU time of the process and compared by their
medians, so neither other load nor a change of the CPU frequency affects the ratio.
"""

import statistics
import time
from collections.abc import Callable
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
# Use a region, so that the measurement includes cropping.
REGION = (0.1, 0.1, 0.8, 0.8)
STAGES = ("prepare", "invoke", "scores", "filter", "track")


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Medians of one interleaved run.

    Attributes:
        ratio: CPU time of the whole frame divided by that of the bare invoke.
        stages_ms: CPU milliseconds of each stage.
        frame_ms: CPU milliseconds of the whole frame.
        invoke_ms: CPU milliseconds of the bare invoke, without any other stage.
        runtime: The TFLite runtime and its version.
        model: The measured model.
        rss_mb: Resident memory of the process at the end.
    """

    ratio: float
    stages_ms: dict[str, float]
    frame_ms: float
    invoke_ms: float
    runtime: str
    model: ModelIdentity
    rss_mb: float


def measure(bundle: Bundle, rounds: int = 300, pause_s: float = 0.0) -> BenchResult:
    """Measure frames of 1280×720 in memory on one thread: region, resize, invoke, scores, filter, track.

    Args:
        bundle: The model.
        rounds: Number of frames, and of bare invokes.
        pause_s: Pause before each frame. A frame after a pause takes more CPU time, because the caches are cold.

    Raises:
        ModelError: The bundle cannot be loaded.
    """
    labeler = Labeler(bundle, view=View(region=REGION))
    process_frame = _make_frame_processor(bundle, labeler)
    stages_ns: dict[str, list[int]] = {name: [] for name in STAGES}
    frames_ns: list[int] = []
    invokes_ns: list[int] = []
    for index in range(-rounds // 10, rounds):
        time.sleep(pause_s)
        marks_ns = process_frame(index)
        start_ns = time.process_time_ns()
        labeler.invoke()
        end_ns = time.process_time_ns()
        if index >= 0:  # the first tenth warms up the caches and the CPU frequency
            frames_ns.append(marks_ns[-1] - marks_ns[0])
            invokes_ns.append(end_ns - start_ns)
            for name, (start, stop) in zip(STAGES, pairwise(marks_ns), strict=True):
                stages_ns[name].append(stop - start)
    frame_ms, invoke_ms = statistics.median(frames_ns) / 1e6, statistics.median(invokes_ns) / 1e6
    return BenchResult(
        ratio=frame_ms / invoke_ms,
        stages_ms={name: statistics.median(times_ns) / 1e6 for name, times_ns in stages_ns.items()},
        frame_ms=frame_ms,
        invoke_ms=invoke_ms,
        runtime=labeler.runtime,
        model=labeler.identity,
        rss_mb=measure_rss_mb(),
    )


def _make_frame_processor(bundle: Bundle, labeler: Labeler) -> Callable[[int], list[int]]:
    """Return a function that processes one frame and returns the CPU time in ns before and after each stage."""
    label_filter = LabelFilter(bundle, LabelerSettings())
    tracker = Tracker(labeler.labels, EventSettings(), lambda: "bench")
    pixels = np.random.default_rng(0).integers(0, 256, (FRAME_PX[1], FRAME_PX[0], 3), np.uint8)

    def process_frame(index: int) -> list[int]:
        marks_ns = [time.process_time_ns()]
        labeler.prepare(pixels)
        marks_ns.append(time.process_time_ns())
        labeler.invoke()
        marks_ns.append(time.process_time_ns())
        scores = labeler.read_scores()
        marks_ns.append(time.process_time_ns())
        label_filter.select(scores)
        masked = label_filter.mask(scores)
        marks_ns.append(time.process_time_ns())
        tracker.update(masked, label_filter.thresholds, float(index), float(index))
        marks_ns.append(time.process_time_ns())
        return marks_ns

    return process_frame
