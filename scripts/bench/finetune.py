"""Measure fine-tuning beside the frozen base: scripts/bench-finetune [--data FOLDER] [--set NAME] [--budget 15m]

For each set: `appliance train TRAIN --validation VAL` with --fine-tune and without it, each in a process of its own and
with an empty cache: time and processor time, the accuracy on val of the written file, and of the fine-tuned blocks by
themselves in float32 and in int8, and the recall at precision .95 with the share of the pictures of the two other sets
and of images/ that get a label there and at the threshold that ships.

Processor time ÷ processors is the least time that the command takes if nothing else runs. The pictures of a test split
are not read, unless FOLDER's SET_val.zip contain them.
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from reject import FLOWERS_IN_IMAGES, count_at, find_threshold  # beside this file

from appliance.bundle.bundle import read_bundle
from appliance.imaging.files import read_picture
from appliance.labeling.labeler import Labeler
from appliance.workshop.datasets.open import open_dataset

ROOT = Path(__file__).resolve().parents[2]
SETS = ("sign_digits", "flowers", "clothing")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench-finetune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("APPLIANCE_TEST_DATA", ROOT.parent / "shared")) / "data"
    )
    parser.add_argument("--set", choices=SETS, action="append", help="only this set; repeatable")
    parser.add_argument("--budget", default="15m", help="the time limit of --fine-tune (default: 15m)")
    parser.add_argument("--keep", type=Path, help="keep the bundles in this folder")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        out = arguments.keep or Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        for name in arguments.set or SETS:
            print(f"{name}:")
            compare(arguments.data, name, arguments.budget, out)


def compare(data: Path, name: str, budget: str, out: Path) -> None:
    for way, options in (("frozen", []), ("fine-tuned", ["--fine-tune", "--budget", budget])):
        bundle = out / f"{name}-{way}"
        run = run_train(data, name, bundle, options)
        result = run.result
        print(f"  {way}: {run.wall_s:.0f} s, {run.processor_s:.0f} s of processor time, at most {run.peak_mb:.0f} MB")
        for base in result["bases"]:
            tuned = base["fine_tuned"]
            first = "" if tuned is None else describe_tuning(tuned)
            print(f"    accuracy {base['accuracy']:.4f} with {base['base']}{first}, {base['inference_ms']:.1f} ms")
        print_rejection(data, name, bundle, result["at_threshold"]["threshold"])


def describe_tuning(tuned: dict[str, Any]) -> str:
    return (
        f" (the fine-tuned blocks by themselves: {tuned['float_accuracy']:.4f} in float32, "
        f"{tuned['int8_accuracy']:.4f} in int8; {tuned['passes']} passes)"
    )


# train, as the user types it


@dataclass(frozen=True)
class TrainRun:
    """The JSON of `appliance train`, and what it took."""

    result: dict[str, Any]
    wall_s: float
    processor_s: float
    peak_mb: float


def run_train(data: Path, name: str, out: Path, options: list[str]) -> TrainRun:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "appliance", "train", str(data / name / f"{name}_train.zip")),
                *("--validation", str(data / name / f"{name}_val.zip"), "--out", str(out), "--json", *options),
            ],
            env={**os.environ, "XDG_CACHE_HOME": cache},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return TrainRun(json.loads(done.stdout), time.monotonic() - began, used, after.ru_maxrss / 1024)


# rejection: label pictures with the written bundle, as a device does


def print_rejection(data: Path, name: str, bundle: Path, shipped: float) -> None:
    labeler = Labeler(read_bundle(bundle))
    own = open_dataset(data / name / f"{name}_val.zip")
    scores = np.stack([labeler.score(read_picture(io.BytesIO(one.read_bytes()), one.name)) for one in own.examples])
    targets = np.array([labeler.labels.index(one.label) for one in own.examples])
    others = {
        other: np.array([score_best(labeler, one.read_bytes(), one.name) for one in open_dataset(path).examples])
        for other, path in ((other, data / other / f"{other}_val.zip") for other in SETS if other != name)
    }
    files = [path for path in sorted((data / "images").iterdir()) if not (name == "flowers" and is_flower(path))]
    others["images"] = np.array([score_best(labeler, path.read_bytes(), path.name) for path in files])
    for way, threshold in (("precision .95", find_threshold(scores, targets)), ("the shipped threshold", shipped)):
        recall, precision = count_at(scores, targets, threshold)
        shares = ", ".join(f"{other} {(best >= threshold).mean():.1%}" for other, best in others.items())
        print(f"    at {way} ({threshold:.2f}): recall {recall:.3f}, precision {precision:.3f};")
        print(f"      labels on {shares} of {len(files)}", flush=True)


def is_flower(path: Path) -> bool:
    return any(word in path.name for word in FLOWERS_IN_IMAGES)


def score_best(labeler: Labeler, content: bytes, name: str) -> float:
    return float(labeler.score(read_picture(io.BytesIO(content), name)).max())


if __name__ == "__main__":
    main()
