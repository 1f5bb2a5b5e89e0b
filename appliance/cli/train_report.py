"""Print the result of a training: each figure with its uncertainty, the weakest labels, and what can be promised."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.next_step import suggest_after_training
from appliance.system.text_layout import CommandLine
from appliance.system.text_width import cut_to_width, pad_to_width, read_columns

if TYPE_CHECKING:
    from appliance.workshop.evaluation.quality import LabelQuality
    from appliance.workshop.training.candidate import TrainedCandidate
    from appliance.workshop.training.train import TrainingResult
    from appliance.workshop.training.validation_figures import ValidationFigures

_MAX_LABEL = 32
_SHOWN_LABELS = 40


def as_dict(out: Path, result: "TrainingResult") -> dict[str, Any]:
    """Return the value of `train --json`."""
    bundle, chosen = result.bundle, result.chosen
    return {
        "out": str(out),
        "model": bundle.identity.as_dict(),
        "labels": list(bundle.labels),
        "background_label": bundle.background_label,
        "base": chosen.base,
        "accuracy": round(chosen.accuracy, 6),
        "at_threshold": {
            "threshold": chosen.choice.threshold,
            "precision": chosen.choice.precision,
            "recall": chosen.choice.recall,
        },
        "promise": chosen.choice.promise,
        "bases": [
            {
                "base": candidate.base,
                "accuracy": round(candidate.accuracy, 6),
                "inference_ms": round(candidate.invoke_ms, 3),
                "strength": candidate.strength,
                "layers": list(candidate.layers),
                "fine_tuned": None if candidate.tuning is None else candidate.tuning.as_dict(),
            }
            for candidate in result.candidates
        ],
        "pictures": dict(chosen.counts),
        "multi_label": chosen.thresholds is not None,
        **({} if chosen.figures is None else _figures_as_dict(chosen, chosen.figures)),
        **({} if chosen.rejection is None else {"rejection": chosen.rejection.as_dict()}),
        "threshold_curve": [point.as_dict() for point in chosen.choice.curve],
        "training": None if bundle.provenance is None else bundle.provenance.as_dict(),
        "fine_tuning": result.suggestion or None,
        "warnings": list(result.warnings),
        "seconds": round(result.seconds, 2),
    }


def format_result(out: Path, result: "TrainingResult") -> list[str | CommandLine]:
    """Return the result as lines of text for people."""
    chosen, counts = result.chosen, result.chosen.counts
    table = []
    if len(result.candidates) > 1:
        table = ["accuracy     ms  base"] + [
            f"{candidate.accuracy:8.3f} {candidate.invoke_ms:6.1f}  {_shorten_path(candidate.base)}"
            f"{'  (used)' if candidate is chosen else ''}"
            for candidate in result.candidates
        ]
    labels = len(result.bundle.labels)
    background = f" and {counts['background']} of background" if counts["background"] else ""
    return [
        *table,
        f"trained {labels} labels on {counts['train']} pictures{background} in {result.seconds:.1f} s",
        *([] if chosen.figures is None else _format_figures(chosen, chosen.figures)),
        *([] if chosen.rejection is None else [chosen.rejection.describe()]),
        f"one picture takes {chosen.invoke_ms:.1f} ms on this machine",
        *([] if chosen.tuning is None else [chosen.tuning.describe()]),
        *([result.suggestion] if result.suggestion else []),
        *suggest_after_training(out),
    ]


def _figures_as_dict(chosen: "TrainedCandidate", figures: "ValidationFigures") -> dict[str, Any]:
    quality = figures.quality
    own = {} if chosen.thresholds is None else chosen.thresholds.own
    return {
        "measured_by": figures.method,
        "intervals": {
            "accuracy": quality.accuracy.as_dict(),
            "precision": quality.point.precision_share.as_dict(),
            "recall": quality.point.recall_share.as_dict(),
        },
        "per_label": [
            {
                "label": each.label,
                "pictures": each.recall.total,
                "threshold": own.get(each.label, chosen.choice.threshold),
                "precision": each.precision.value,
                "recall": each.recall.value,
                "intervals": {"precision": each.precision.as_dict(), "recall": each.recall.as_dict()},
            }
            for each in quality.labels
        ],
        "worst_labels": [each.label for each in quality.worst_labels],
        "calibration": {
            "expected_error": _round(quality.calibration.error),
            "chance_error": _round(quality.chance_error),
        },
        "mistakes": [
            {"picture": each.picture, "label": each.label, "guess": each.guess, "score": each.score}
            for each in figures.mistakes
        ],
    }


def _format_figures(chosen: "TrainedCandidate", figures: "ValidationFigures") -> list[str]:
    from appliance.workshop.evaluation.quality import describe_share, describe_worst_labels

    quality, point = figures.quality, figures.quality.point
    pictures = f"{figures.method} pictures"
    lines = [f"the best label: {describe_share(quality.accuracy, 'right', pictures)}"]
    where = f"at the threshold {point.threshold:.2f}"
    found = "pictures"
    if chosen.thresholds is not None:
        lines = [
            "pictures have several labels, so each label is reported independently",
            *lines,
            f"the mean average precision of the labels is {chosen.accuracy:.3f}",
        ]
        where, found = "at the thresholds of the labels", "labels of pictures"
    lines += [
        f"{where}: {describe_share(point.precision_share, 'right', 'reported labels')}",
        f"and {describe_share(point.recall_share, 'found', found)}",
        f"what can be promised: {chosen.choice.promise}",
    ]
    if quality.calibration.error is not None and quality.chance_error is not None:
        lines.append(
            f"a score is wrong by {quality.calibration.error:.3f} on average (up to {quality.chance_error:.3f} may be "
            "chance)"
        )
    if worst := describe_worst_labels(quality):
        lines.append(worst)
    if chosen.thresholds is not None:
        lines += _format_table(quality.labels, chosen.thresholds.own, point.threshold)
    return lines


def _format_table(labels: "tuple[LabelQuality, ...]", own: Any, common: float) -> list[str]:
    from appliance.workshop.evaluation.quality import bracket_share

    width = max(5, *(min(_MAX_LABEL, len(each.label)) for each in labels))
    lines = [f"  {'label':<{width}}  pictures  threshold  precision          recall"]
    for each in labels[:_SHOWN_LABELS]:
        name = pad_to_width(cut_to_width(each.label, width), width)
        lines.append(
            f"  {name}  {each.recall.total:>8}  {own.get(each.label, common):>9.2f}  {bracket_share(each.precision)}  "
            f"{bracket_share(each.recall)}".rstrip()
        )
    if len(labels) > _SHOWN_LABELS:
        lines.append(f"  and {len(labels) - _SHOWN_LABELS} more labels; --json has all of them")
    return lines


def _round(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 6)


def _shorten_path(path: str) -> str:
    """Return the end of a path that is too long for a table on a terminal, because its beginning says less."""
    if not sys.stdout.isatty():
        return path
    columns = read_columns(sys.stdout) - len("accuracy     ms    (used)")
    return path if len(path) <= columns else "…" + path[1 - columns :]
