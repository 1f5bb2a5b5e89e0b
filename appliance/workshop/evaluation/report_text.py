"""An evaluation as one JSON value and as lines for people.

`accuracy`, `at_threshold`, `curve`, `per_label` and `background` are names that scripts hold on to.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from appliance.workshop.evaluation.compare import Comparison, Difference
from appliance.workshop.evaluation.evaluate import Evaluation, ModelEvaluation
from appliance.workshop.evaluation.metrics import (
    THRESHOLD_GRID,
    Counts,
    Predictions,
    compute_accuracy,
    compute_area,
    compute_calibration,
    compute_confusion,
    compute_curve,
    count_each_label,
    count_labels,
)

_LISTED = 5
_OTHERS = 10
_WORST = 50


def as_dict(evaluation: Evaluation, comparison: Comparison | None = None) -> dict[str, Any]:
    """The value of `evaluate --json`. Figures that do not exist (a precision where no label is given) are null."""
    subject = evaluation.model
    identity = subject.bundle.identity
    value = {
        "model": identity.as_dict(),
        "dataset": str(evaluation.dataset),
        "split": evaluation.subset,
        "pictures": len(evaluation.pictures),
        "accuracy": _rounded(compute_accuracy(subject.predictions)),
        "area_under_curve": _rounded(compute_area(subject.predictions)),
        "at_threshold": {
            "threshold": subject.threshold,
            "label_thresholds": subject.label_thresholds,
            **_figures(count_labels(subject.predictions, subject.thresholds)),
        },
        "curve": [
            {"threshold": threshold, **_figures(one)}
            for threshold, one in zip(_grid(), compute_curve(subject.predictions), strict=True)
        ],
        "per_label": list(_per_label(subject)),
        "confusion": _confusion(subject),
        "calibration": _calibration(subject),
        "background": _background(evaluation),
        "mistakes": [_mistake(evaluation, place, given) for place, given in _mistakes(subject)[:_WORST]],
        "labels_not_in_model": list(subject.missing_labels),
        "labels_not_in_dataset": list(subject.unpictured_labels),
        "skipped": [{"picture": name, "reason": reason} for name, reason in evaluation.skipped],
        "notes": list(evaluation.notes),
    }
    if comparison is not None and evaluation.baseline is not None:
        old = evaluation.baseline.bundle.identity
        value["against"] = {
            "model": old.as_dict(),
            "verdict": comparison.verdict,
            "says": comparison.summary,
            "measures": [_difference(one) for one in comparison.measures],
            "per_label": [_difference(one) for one in comparison.labels],
        }
    return value


def format_evaluation(evaluation: Evaluation, comparison: Comparison | None = None) -> list[str]:
    """The same for people, the figures that matter first."""
    subject = evaluation.model
    identity, counts = subject.bundle.identity, count_labels(subject.predictions, subject.thresholds)
    part = "" if evaluation.subset == "all" else f" {evaluation.part}"
    said = "" if subject.bundle.confidence_threshold == subject.threshold else ", which this bundle does not carry"
    at = f"precision {_percent(counts.precision)}, recall {_percent(counts.recall)}"
    found = [
        f"{identity.name} {identity.version} on {len(evaluation.pictures)}{part} pictures of {evaluation.dataset}",
        f"  accuracy      {_percent(accuracy(subject.judged))}  (the best label is right)",
        f"  at {subject.threshold:<10.4g} {at}  (the threshold{said})",
        f"  area          {_number(area(subject.judged))}  (under the precision-recall curve)",
        f"  calibration   {_number(calibration(subject.judged).error)}  (expected error of a score; 0 is best)",
    ]
    if subject.background is not None:
        given = count_labels(subject.background, subject.thresholds).given
        pictures = len(evaluation.background_pictures)
        share = f"{1000 * given / pictures:.0f} per 1,000 pictures" if pictures else "no picture could be read"
        found.append(f"  false labels  {share}  ({given} on {pictures} of {evaluation.background})")
    found += ["", *_table(subject)]
    if mistakes := _mistakes(subject)[:_LISTED]:
        found += ["", "the most confident mistakes"]
        found += [
            f"  {subject.judged.scores[place, given]:.2f} {subject.judged.labels[given]:<16} {evaluation.pictures[place].name}"
            for place, given in mistakes
        ]
    return found + (["", *_compared(evaluation, comparison)] if comparison is not None else [])


def find_wrong_labels(judged: Predictions, thresholds: np.ndarray | float = 0.0) -> list[tuple[int, int]]:
    """(picture, label) of each picture's most certain wrong label at or above its threshold, the most certain first."""
    if not len(judged.targets):
        return []
    wrong = np.where(judged.is_own_label | (judged.scores < thresholds), -1.0, judged.scores)
    given = wrong.argmax(axis=1)
    score = wrong[np.arange(len(given)), given]
    return [(int(place), int(given[place])) for place in np.argsort(-score, kind="stable") if score[place] > 0]


def _mistakes(subject: ModelEvaluation) -> list[tuple[int, int]]:
    return find_wrong_labels(subject.predictions, subject.thresholds)


def _table(subject: ModelEvaluation) -> Iterator[str]:
    """One line a label that pictures have, then those that were given without any, the most frequent first."""
    judged, tallies = subject.predictions, count_each_label(subject.predictions, subject.thresholds)
    others = sorted(
        (number for number, one in enumerate(tallies) if one.given and not one.content), key=lambda n: -tallies[n].given
    )
    listed = [number for number, one in enumerate(tallies) if one.content] + others[:_OTHERS]
    width = min(max([5, *(len(judged.labels[number]) for number in listed)]), 32)
    yield f"{'label':<{width}}  pictures  threshold  precision  recall   area"
    for number in listed:
        one = tallies[number]
        yield (
            f"{judged.labels[number]:<{width}}  {one.content:>8}  {subject.thresholds[number]:>9.4g}  "
            f"{_percent(one.precision):>9}  {_percent(one.recall):>6}  {_number(area(judged, number)):>5}"
        )
    if len(others) > _OTHERS:
        yield f"and {len(others) - _OTHERS} more labels that were given and no picture has"


def _compared(evaluation: Evaluation, comparison: Comparison) -> Iterator[str]:
    old = evaluation.baseline.bundle.identity
    yield f"against {old.name} {old.version}, new − old with its 95 % interval"
    for one in (*comparison.measures, *comparison.labels):
        scale, unit = (1, "") if one.name.startswith("false labels") else (100, " %")
        new, before = (("–" if figure is None else f"{scale * figure:.1f}{unit}") for figure in (one.new, one.old))
        mark = "" if one.verdict == "same" else f"  {one.verdict}"
        interval = f"{scale * one.difference:+.1f} [{scale * one.low:+.1f}, {scale * one.high:+.1f}]"
        yield f"  {one.name:<42} {before:>8} → {new:>8}  {interval}{mark}"
    yield comparison.summary


def _per_label(subject: ModelEvaluation) -> Iterator[dict[str, Any]]:
    tallies = count_each_label(subject.predictions, subject.thresholds)
    false = (
        [one.given for one in count_each_label(subject.background, subject.thresholds)]
        if subject.background is not None
        else None
    )
    for number, one in enumerate(tallies):
        yield {
            "label": subject.predictions.labels[number],
            "pictures": one.content,
            "threshold": round(float(subject.thresholds[number]), 6),
            **_figures(one),
            "area_under_curve": _rounded(compute_area(subject.predictions, number)),
            "false_on_background": None if false is None else false[number],
        }


def _confusion(subject: ModelEvaluation) -> dict[str, Any]:
    """Rows and columns of the labels that occur in it; null stands for no label."""
    table = compute_confusion(subject.predictions, subject.thresholds)
    used = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1))
    used = np.union1d(used, [len(table) - 1])
    names = [*subject.predictions.labels, None]
    return {"labels": [names[number] for number in used], "pictures": table[np.ix_(used, used)].tolist()}


def _calibration(subject: ModelEvaluation) -> dict[str, Any]:
    found = compute_calibration(subject.predictions)
    bins = [
        {
            "from": one.low, "to": one.high, "pictures": one.pictures,
            "score": _rounded(one.confidence), "accuracy": _rounded(one.accuracy),
        }
        for one in found.bins
    ]  # fmt: skip
    return {"expected_error": _rounded(found.error), "bins": bins}


def _background(evaluation: Evaluation) -> dict[str, Any] | None:
    subject = evaluation.model
    if subject.background is None:
        return None
    pictures, given = len(evaluation.background_pictures), count_labels(subject.background, subject.thresholds).given
    labeled = int((subject.background.scores >= subject.thresholds).any(axis=1).sum())
    return {
        "dataset": str(evaluation.background),
        "pictures": pictures,
        "false_labels": given,
        "labeled_pictures": labeled,
        "false_labels_per_1000": round(1000 * given / pictures, 3) if pictures else None,
        "curve": [
            {"threshold": threshold, "false_labels": one.given}
            for threshold, one in zip(_grid(), compute_curve(subject.background), strict=True)
        ],
    }


def _mistake(evaluation: Evaluation, place: int, given: int) -> dict[str, Any]:
    judged = evaluation.model.predictions
    target = int(judged.targets[place])
    return {
        "picture": evaluation.pictures[place].name,
        "shows": judged.labels[target] if target >= 0 else None,
        "label": judged.labels[given],
        "score": _rounded(float(judged.scores[place, given])),
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "name": one.name, "pictures": one.pictures, "new": _rounded(one.new), "old": _rounded(one.old),
        "difference": _rounded(one.difference), "interval": [_rounded(one.low), _rounded(one.high)], "verdict": one.verdict,
    }  # fmt: skip


def _figures(one: Counts) -> Mapping[str, float | None]:
    return {"precision": _rounded(one.precision), "recall": _rounded(one.recall)}


def _grid() -> list[float]:
    return [place / 100 for place in range(len(THRESHOLD_GRID))]


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 6)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _number(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.3f}"
