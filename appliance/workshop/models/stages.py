"""Run all stages of training, or a single one.

    scripts/train-bundled               all stages
    scripts/train-bundled STAGE         one of prepare, teach, train, export, evaluate, ship

prepare augments the photographs and draws the rest; teach records the features of two larger models and computes soft
targets; train trains three seeds, and two more runs that measure how the model labels unseen subjects; export writes
their bundles and chooses one; evaluate prints every figure and needs only the appliance's normal environment; ship,
which runs only on request, copies the chosen bundle to appliance/bundled/flowers. Seeds are fixed.
"""

import argparse
import shutil
import subprocess
import sys
import time
from enum import StrEnum

from appliance.workshop.models.paths import BUNDLE, CHOSEN, DATA, OTHER_SETS, REQUIRED_DATA, WORK
from appliance.workshop.models.runs import RUNS

PARALLEL_RUNS = 2


class Stage(StrEnum):
    """The stages, in order."""

    PREPARE = "prepare"
    TEACH = "teach"
    TRAIN = "train"
    EXPORT = "export"
    EVALUATE = "evaluate"
    SHIP = "ship"


def run_stages() -> None:
    """Run the requested stages and print how long each took."""
    parser = argparse.ArgumentParser(
        prog="train-bundled",
        description=__doc__,
        epilog=REQUIRED_DATA,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", nargs="?", choices=[str(stage) for stage in Stage], help="default: all but ship")
    parser.add_argument("--run", choices=list(RUNS), help="train only this run")
    options = parser.parse_args()
    stages = [Stage(options.stage)] if options.stage else [stage for stage in Stage if stage is not Stage.SHIP]
    for stage in stages:
        began_s = time.monotonic()
        _run_stage(stage, options.run)
        if not options.run:
            print(f"{stage}: {time.monotonic() - began_s:.0f} s", flush=True)


def _run_stage(stage: Stage, run: str | None) -> None:
    """Run one stage; import its libraries here, because not every environment has the libraries of every stage."""
    match stage:
        case Stage.PREPARE:
            from appliance.workshop.models.prepare import prepare_pictures

            prepare_pictures()
        case Stage.TEACH:
            from appliance.workshop.models.soft_targets import write_soft_targets
            from appliance.workshop.models.teachers import record_features

            record_features()
            write_soft_targets()
        case Stage.TRAIN if run:
            from appliance.workshop.models.train import train

            train(RUNS[run])
        case Stage.TRAIN:
            train_all()
        case Stage.EXPORT:
            export_all()
        case Stage.EVALUATE:
            evaluate_all()
        case Stage.SHIP:
            ship()


def train_all() -> None:
    """Train each run in a separate process with one thread, PARALLEL_RUNS of them at a time.

    Raises:
        SystemExit: A run failed.
    """
    pending = list(RUNS)
    running: list[subprocess.Popen[bytes]] = []
    while pending or running:
        while pending and len(running) < PARALLEL_RUNS:
            command = [sys.executable, "-m", "appliance.workshop.models", "train", "--run", pending.pop(0)]
            running.append(subprocess.Popen(command))
        if running.pop(0).wait():
            raise SystemExit("a training run failed; its error is above")


def export_all() -> None:
    """Write the bundle of every trained run; choose the seed with the median top-1 on flowers val.

    Raises:
        SystemExit: No seed has been trained.
    """
    from appliance.bundle.bundle import read_bundle
    from appliance.labeling.labeler import Labeler
    from appliance.workshop.models.export import export_run
    from appliance.workshop.models.scores import EvaluationScores

    top_1 = {}
    for name in (name for name in RUNS if (WORK / f"{name}.pt").is_file()):
        export_run(name, WORK / name)
        top_1[name] = EvaluationScores(Labeler(read_bundle(WORK / name))).measure_top_1()
        print(f"{name}: top-1 {top_1[name]:.3f}", flush=True)
    seeds = {name: value for name, value in top_1.items() if RUNS[name].is_shippable}
    if not seeds:
        raise SystemExit(f"no seed has been trained in {WORK}; run the stage train first")
    chosen = choose_middle(seeds)
    shutil.copytree(WORK / chosen, CHOSEN, dirs_exist_ok=True)
    print(f"chosen: {chosen}, the median of {len(seeds)} by top-1 on flowers val (of two, the better one)")


def choose_middle(values: dict[str, float]) -> str:
    """Choose the name with the median value; for an even number of values, the upper of the middle two."""
    ranked = sorted((value, name) for name, value in values.items())
    return ranked[len(ranked) // 2][1]


def ship() -> None:
    """Copy the chosen bundle into the package, with the authors of the photographs on which it was trained.

    Raises:
        SystemExit: No bundle was chosen.
    """
    from appliance.workshop.models.authors import write_authors

    if not (CHOSEN / "manifest.json").is_file():
        raise SystemExit(f"there is no chosen bundle in {CHOSEN}; run the stage export first")
    for file in ("model.tflite", "dict.txt", "manifest.json"):
        shutil.copy(CHOSEN / file, BUNDLE / file)
    write_authors()
    print(f"{BUNDLE} now contains the chosen bundle; update its MODEL_CARD.md with the figures of the stage evaluate")


def evaluate_all() -> None:
    """Print the figures of the chosen bundle (or the bundled one) and of all runs that were trained here.

    Raises:
        SystemExit: The data is missing; the message lists what is needed.
    """
    if not (DATA / "flowers" / "flowers_val.zip").is_file():
        raise SystemExit(f"there is no data for the evaluation; {REQUIRED_DATA}")
    from appliance.workshop.models.evaluate import UnseenRun, print_evaluation

    trained = [name for name in RUNS if (WORK / name / "manifest.json").is_file()]
    seeds = [WORK / name for name in trained if RUNS[name].is_shippable]
    unseen = [
        UnseenRun(name, other, WORK / f"only-{name}")
        for name, other in (OTHER_SETS, OTHER_SETS[::-1])
        if f"only-{name}" in trained
    ]
    print_evaluation(CHOSEN if (CHOSEN / "manifest.json").is_file() else BUNDLE, seeds, unseen)
    if len(trained) < len(RUNS):
        print(f"\nonly trained runs are printed: {WORK} contains {len(trained)} of {len(RUNS)}")
