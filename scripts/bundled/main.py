"""Trains the bundled labeler on photographs, stage by stage; scripts/train-bundled calls it in the right environment.

    scripts/train-bundled               all stages, one after the other
    scripts/train-bundled STAGE         one of prepare, teach, train, export, evaluate, ship

prepare augments the photographs and draws the rest; teach asks two larger models; train trains three seeds, and two more
runs that measure what the model does with the unseen; export writes their bundles and chooses one; evaluate prints every
figure and needs nothing but the appliance's own environment; ship, which is never run unasked, puts the chosen bundle into
appliance/bundled. Seeds are fixed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

# The order of sums, and so the last bits of the result, depends on the number of threads; numpy reads it when imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from places import BUNDLE, DATA, NEEDED, OTHER_SETS, WORK

STAGES = ("prepare", "teach", "train", "export", "evaluate")
SEEDS = (1, 2, 3)
AT_ONCE = 2
# How many pictures are shown; fewer in the two runs that only measure what a model does with the unseen.
SAMPLES, SAMPLES_UNSHIPPED = 1_000_000, 700_000
CHOSEN = WORK / "chosen"


def runs() -> dict[str, tuple[int, int, tuple[str, ...]]]:
    """Name → seed, samples, and the sets shown as background, of each run."""
    shipped = {f"seed-{seed}": (seed, SAMPLES, OTHER_SETS) for seed in SEEDS}
    return shipped | {f"only-{name}": (1, SAMPLES_UNSHIPPED, (name,)) for name in OTHER_SETS}


def train_all() -> None:
    """Each run in a process of its own with one thread, AT_ONCE of them at a time."""
    waiting, running = list(runs()), []
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            running.append(subprocess.Popen([sys.executable, __file__, "train", "--run", waiting.pop(0)]))
        ended = running.pop(0)
        if ended.wait():
            raise SystemExit("A training run failed; see above.")


def train_one(name: str) -> None:
    from train import Run, train

    train(Run(name, *runs()[name]))


def export_all() -> None:
    """The bundle of every run in the work folder; the seed whose top-1 on flowers val is in the middle is chosen."""
    from evaluate import Scores
    from export import export

    from appliance.bundle.bundle import read_bundle
    from appliance.labeling.labeler import Labeler

    reached = {}
    for name in (name for name in runs() if (WORK / f"{name}.pt").is_file()):
        export(name, WORK / name)
        reached[name] = Scores(Labeler(read_bundle(WORK / name))).top_1()
        print(f"{name}: top-1 {reached[name]:.3f}", flush=True)
    seeds = sorted((top_1, name) for name, top_1 in reached.items() if name.startswith("seed-"))
    if not seeds:
        raise SystemExit(f"No seed is trained in {WORK}; run the stage train first.")
    chosen = seeds[len(seeds) // 2][1]
    shutil.copytree(WORK / chosen, CHOSEN, dirs_exist_ok=True)
    print(f"chosen: {chosen}, the middle one of {len(seeds)} by top-1 on flowers val (the better one of two)")


def ship() -> None:
    """Puts the chosen bundle where the package has it, with the authors of the photographs it learned from."""
    from authors import write_authors

    if not (CHOSEN / "manifest.json").is_file():
        raise SystemExit(f"There is no chosen bundle in {CHOSEN}; run the stage export first.")
    for file in ("model.tflite", "dict.txt", "manifest.json"):
        shutil.copy(CHOSEN / file, BUNDLE / file)
    write_authors()
    print(f"{BUNDLE} has the chosen bundle now; write its MODEL_CARD.md anew from what evaluate prints.")


def evaluate_all() -> None:
    if not (DATA / "flowers" / "flowers_val.zip").is_file():
        raise SystemExit(f"There is no data to evaluate on. {NEEDED}")
    from evaluate import evaluate

    there = [name for name in runs() if (WORK / name / "manifest.json").is_file()]
    seeds = [WORK / name for name in there if name.startswith("seed-")]
    unseen = [
        (name, other, WORK / f"only-{name}")
        for name, other in (OTHER_SETS, OTHER_SETS[::-1])
        if f"only-{name}" in there
    ]
    evaluate(CHOSEN if (CHOSEN / "manifest.json").is_file() else BUNDLE, seeds, unseen)
    if len(there) < len(runs()):
        print(f"\nRuns that are not trained here are not printed: {WORK} has {len(there)} of {len(runs())} runs.")


def main() -> None:
    """Runs the stages that are asked for and says how long each took."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=NEEDED, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", nargs="?", choices=(*STAGES, "ship"), help="without it: all but ship")
    parser.add_argument("--run", choices=list(runs()), help="train this run alone")
    options = parser.parse_args()
    for stage in [options.stage] if options.stage else STAGES:
        began_s = time.monotonic()
        if stage == "prepare":
            from prepare import prepare

            prepare()
        elif stage == "teach":
            from teach import teach, watch

            watch()
            teach()
        elif stage == "train" and options.run:
            train_one(options.run)
        elif stage == "train":
            train_all()
        elif stage == "export":
            export_all()
        elif stage == "ship":
            ship()
        else:
            evaluate_all()
        if not options.run:
            print(f"{stage}: {time.monotonic() - began_s:.0f} s", flush=True)


if __name__ == "__main__":
    main()
