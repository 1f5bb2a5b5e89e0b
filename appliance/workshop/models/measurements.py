"""Measure the time and memory that labelers take."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import read_bundle
from appliance.labeling.labeler import Labeler

_GRAY = np.full((480, 640, 3), 127, np.uint8)


def measure_invoke_ms(first: Labeler, second: Labeler, blocks: int = 10, rounds: int = 30) -> tuple[float, float]:
    """Measure the median duration of invoke() of two labelers alternately, so that the same load affects both."""
    durations: tuple[list[float], list[float]] = ([], [])
    for labeler in (first, second):
        labeler.prepare(_GRAY)
    for _ in range(blocks):
        for labeler, list_ms in zip((first, second), durations, strict=True):
            for _ in range(rounds):
                labeler.invoke()
                list_ms.append(labeler.inference_ms)
    return float(np.median(durations[0])), float(np.median(durations[1]))


def measure_resident_mb(folder: Path) -> float:
    """Measure the resident memory of a separate process that has loaded a bundle and labeled one picture."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure_own_resident_mb, folder).result()


def _measure_own_resident_mb(folder: Path) -> float:
    Labeler(read_bundle(folder)).score(_GRAY)
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
