"""Run the last stage: print every figure of the model card, next to that of the AutoML export on the same pictures.

This stage needs only the packages of the appliance, and runs its code: bundle → labeler → filter → tracker. All
pictures are from val parts, from images/, or drawn with seeds that training never uses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import read_bundle
from appliance.labeling.labeler import Labeler
from appliance.workshop.models.measurements import measure_invoke_ms, measure_resident_mb
from appliance.workshop.models.paths import DATA, LABELS, OTHER_SETS
from appliance.workshop.models.scene_evaluation import print_scenes
from appliance.workshop.models.scores import WITH_FLOWERS, EvaluationScores

AUTOML = DATA / "models" / "automl_mlkit_android"
# The AutoML export gets the lowest threshold, in hundredths, with this precision.
AUTOML_PRECISION = 0.90


@dataclass(frozen=True, slots=True)
class UnseenRun:
    """A bundle that was trained with only one set as background, to measure how it labels the other set."""

    background: str
    unseen: str
    folder: Path


def print_evaluation(shipped: Path, seeds: Sequence[Path], unseen: Sequence[UnseenRun]) -> None:
    """Print every figure.

    Args:
        shipped: The bundle's folder.
        seeds: The bundles of the same training with other seeds; empty if they were not trained here.
        unseen: The runs that measure unseen backgrounds, which are not shipped.
    """
    ours, automl = Labeler(read_bundle(shipped)), Labeler(read_bundle(AUTOML))
    scores = EvaluationScores(ours)
    _print_comparison(scores, EvaluationScores(automl))
    _print_costs(ours, automl, shipped)
    _print_details(scores)
    print_scenes(ours)
    if seeds:
        _print_seeds(seeds)
    for run in unseen:
        _print_unseen(run)


def _print_comparison(ours: EvaluationScores, automl: EvaluationScores) -> None:
    """Print rows (1) to (3): accuracy on flowers val, and labels for pictures without flowers."""
    threshold = ours.threshold
    automl_threshold = next(
        step / 100 for step in range(101) if automl.measure_precision(step / 100) >= AUTOML_PRECISION
    )
    identity = ours.labeler.identity
    print(
        f"{identity.name} {identity.version}, {ours.labeler.runtime}, at its threshold {threshold:.2f}; AutoML's "
        f"export at {automl_threshold:.2f},\nthe lowest with a precision on flowers val of {AUTOML_PRECISION:.2f}\n"
    )
    print(f"{'':52}{'bundled':>9}{'AutoML':>9}")
    both = ((ours, threshold), (automl, automl_threshold))
    _print_row("(1) flowers val, top-1 among the five (0.87)", [f"{scores.measure_top_1():.3f}" for scores, _ in both])
    _print_row("(2) flowers val, precision (0.90)", [f"{scores.measure_precision(cut):.3f}" for scores, cut in both])
    _print_row("    flowers val, recall (0.75)", [f"{scores.measure_recall(cut):.3f}" for scores, cut in both])
    _print_row(
        "(3) without flowers, images/: labeled of 18 (2)",
        [str(len(scores.list_labeled_images(cut))) for scores, cut in both],
    )
    for name in OTHER_SETS:
        shares = [f"{scores.measure_labeled(name, cut):.1%}" for scores, cut in both]
        _print_row(f"    {name} val: labeled (2 %)", shares)


def _print_costs(ours: Labeler, automl: Labeler, shipped: Path) -> None:
    """Print row (4): size, time, and memory."""
    sizes = [f"{labeler.bundle.model_file.stat().st_size:,}" for labeler in (ours, automl)]
    _print_row("(4) size, bytes (1,300,000)", sizes)
    ours_ms, automl_ms = measure_invoke_ms(ours, automl)
    _print_row(
        f"    invoke, ms, median of the same run ({ours_ms / automl_ms:.2f} ×, of 0.6)",
        [f"{ours_ms:.2f}", f"{automl_ms:.2f}"],
    )
    _print_row(
        "    resident memory of a process that labels, MB",
        [f"{measure_resident_mb(folder):.1f}" for folder in (shipped, AUTOML)],
    )


def _print_details(scores: EvaluationScores) -> None:
    """Print the result for each relevant picture in images/, and for each kind of flower."""
    threshold = scores.threshold
    print(f"\nlabeled in images/ without a flower: {', '.join(scores.list_labeled_images(threshold)) or 'none'}")
    for name in WITH_FLOWERS:
        best = scores.images[name].max()
        label = f"{LABELS[int(scores.images[name].argmax())]} {best:.2f}"
        print(f"  {name}: {label if best >= threshold else f'no label (best: {label})'}")
    for index, label in enumerate(LABELS):
        given = scores.flowers[scores.truth == index] >= threshold
        wrong = ", ".join(
            f"{LABELS[other]} {given[:, other].sum()}"
            for other in range(len(LABELS))
            if other != index and given[:, other].any()
        )
        print(f"  {label} val: {given[:, index].sum()} of {len(given)} labeled; wrong labels: {wrong or 'none'}")


def _print_seeds(seeds: Sequence[Path]) -> None:
    """Print the figures of each seed at its own threshold, their mean, and their spread."""
    rows = []
    for folder in seeds:
        scores = EvaluationScores(Labeler(read_bundle(folder)))
        cut = scores.threshold
        quality = (scores.measure_top_1(), scores.measure_precision(cut), scores.measure_recall(cut))
        others = [scores.measure_labeled(name, cut) for name in OTHER_SETS]
        rows.append((cut, *quality, len(scores.list_labeled_images(cut)), *others))
    columns = ("threshold", "top-1", "precision", "recall", "images", *OTHER_SETS)
    print("\n" + "".join(f"{column:>13}" for column in ("seeds", *columns)))
    table = np.array(rows)
    named = [(folder.name, row) for folder, row in zip(seeds, table, strict=True)]
    for name, row in [*named, ("mean", table.mean(axis=0)), ("spread", table.max(axis=0) - table.min(axis=0))]:
        print(f"{name:>13}" + "".join(f"{value:>13.3f}" for value in row))


def _print_unseen(run: UnseenRun) -> None:
    scores = EvaluationScores(Labeler(read_bundle(run.folder)))
    cut = scores.threshold
    print(
        f"trained with only {run.background} as background, threshold {cut:.2f}: of {run.unseen} val "
        f"{scores.measure_labeled(run.unseen, cut):.1%} labeled (5 %),\n"
        f"  of images/ {len(scores.list_labeled_images(cut))} of 18; top-1 {scores.measure_top_1():.3f}"
    )


def _print_row(name: str, values: Sequence[str]) -> None:
    print(f"{name:52}" + "".join(f"{value:>9}" for value in values))
