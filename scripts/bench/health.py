"""Measure what a model costs that fails on half of the frames: log, memory, and time until it is rolled back.

    scripts/bench-health [--minutes N]

The real pipeline labels an hour of frames at 10 frames/s, with the real runtime and a simulated clock. The model cannot
label bright pictures, and every second picture is bright. There is no model to go back to, so it goes on failing.
"""

import argparse
import io
import logging
import sys
import tempfile
import threading
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import read_bundle
from appliance.daemon.labeling_health import LabelingHealth
from appliance.daemon.meter import Meter
from appliance.daemon.pipeline import Pipeline
from appliance.daemon.results import FrameResult, ResultDispatcher, ResultListener
from appliance.imaging.frame import Frame
from appliance.imaging.frame_slot import FrameSlot
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import EventSettings, LabelerSettings
from appliance.system.logs import configure_logging
from appliance.system.metrics import measure_rss_mb

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from support.bundles import bundle_folder
from support.made_models import fails_on_bright

FPS = 10.0
HOUR_S = 3600.0


@dataclass
class Clock:
    """The simulated time."""

    now_s: float = 0.0

    def __call__(self) -> float:
        """Return the simulated monotonic time in seconds."""
        return self.now_s


class Turnstile(ResultListener):
    """Lets one frame at a time into the pipeline."""

    def __init__(self) -> None:
        """Start with no frame in the pipeline."""
        self.passed = threading.Semaphore(0)

    def on_frame(self, result: FrameResult) -> None:
        """Let the next frame in."""
        self.passed.release()

    def on_frame_failed(self, error: str) -> None:
        """Let the next frame in."""
        self.passed.release()


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=HOUR_S / 60, help="simulated minutes (60)")
    minutes = parser.parse_args().minutes
    clock, results, turnstile, slot, numbers = Clock(), ResultDispatcher(), Turnstile(), FrameSlot(), count(1)
    faults: list[tuple[float, str]] = []
    health = LabelingHealth(lambda _, reason: faults.append((clock.now_s, reason)), lambda: None, clock)
    results.register(health)
    results.register(turnstile)
    pipeline = Pipeline(
        slot, LabelerSettings(), EventSettings(), results, lambda: f"id-{next(numbers)}", Meter(), clock=clock
    )
    log = io.StringIO()
    configure_logging()
    logging.getLogger().handlers[0].setStream(log)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        model = bundle_folder(Path(folder) / "model", model=fails_on_bright())
        pipeline.use(pipeline.prepare(Labeler(read_bundle(model)), None))
    thread = threading.Thread(target=pipeline.run, daemon=True)
    thread.start()
    pictures = [np.full((8, 8, 3), gray, np.uint8) for gray in (40, 255)]
    before_mb = measure_rss_mb()
    frames = int(minutes * 60 * FPS)
    for number in range(frames):
        clock.now_s = number / FPS
        slot.put(Frame(pictures[number % 2], clock.now_s, clock.now_s, number + 1))
        turnstile.passed.acquire()
    pipeline.stop()
    thread.join()
    fault_s, reason = faults[0]
    print(f"{frames} frames in {minutes:g} simulated minutes, {health.report.errors} of which could not be labeled")
    print(f"log: {len(log.getvalue().encode())} bytes, {log.getvalue().count(chr(10))} lines")
    print(f"resident memory: {measure_rss_mb() - before_mb:+.1f} MB")
    print(f"the model is rolled back after {fault_s:.0f} s: {reason[:60]}…; reported {len(faults)} time(s)")


if __name__ == "__main__":
    main()
