"""Format an evaluation as the value of `evaluate --json`, and as text for people.

Scripts depend on the keys, among them `accuracy`, `at_threshold`, `curve`, `per_label`, and `background`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from appliance.system.text_width import DEFAULT_COLUMNS, measure_width, pad_to_width
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

_LISTED_MISTAKES = 5
_LISTED_OTHER_LABELS = 10
_JSON_MISTAKES = 50
# What the columns of figures take beside the names, in the table of labels and in that of a comparison.
_FIGURE_COLUMNS, _COMPARISON_COLUMNS = 48, 54
# On a narrow terminal, the table has no threshold and no area.
_FEW_FIGURE_COLUMNS = 30
_MIN_NAME_COLUMNS, _MISTAKE_COLUMNS = 10, 16


def as_dict(evaluation: Evaluation, comparison: Comparison | None = None) -> dict[str, Any]:
    """Return the value of `evaluate --json`; undefined figures (a precision if no label is given) are null."""
    model = evaluation.model
    value: dict[str, Any] = {
        "model": model.bundle.identity.as_dict(),
        "dataset": str(evaluation.dataset),
        "split": evaluation.subset,
        "pictures": len(evaluation.pictures),
        "accuracy": _round(compute_accuracy(model.predictions)),
        "area_under_curve": _round(compute_area(model.predictions)),
        "at_threshold": {
            "threshold": model.threshold,
            "label_thresholds": model.label_thresholds,
            **_counts_as_dict(count_labels(model.predictions, model.thresholds)),
        },
        "curve": [
            {"threshold": threshold, **_counts_as_dict(counts)}
            for threshold, counts in zip(_list_thresholds(), compute_curve(model.predictions), strict=True)
        ],
        "per_label": list(_list_labels(model)),
        "confusion": _confusion_as_dict(model) if model.predictions.several is None else None,
        "calibration": _calibration_as_dict(model.predictions),
        "background": _background_as_dict(evaluation, model.background) if model.background is not None else None,
        "mistakes": [
            _mistake_as_dict(evaluation, index, label) for index, label in _find_mistakes(model)[:_JSON_MISTAKES]
        ],
        "labels_not_in_model": list(model.missing_labels),
        "labels_not_in_dataset": list(model.unpictured_labels),
        "skipped": [{"picture": each.name, "reason": each.reason} for each in evaluation.skipped],
        "notes": list(evaluation.notes),
    }
    if comparison is not None and evaluation.baseline is not None:
        value["against"] = {
            "model": evaluation.baseline.bundle.identity.as_dict(),
            "verdict": comparison.result,
            "says": comparison.summary,
            "measures": [_difference_as_dict(each) for each in comparison.measures],
            "per_label": [_difference_as_dict(each) for each in comparison.labels],
        }
    return value


def format_evaluation(
    evaluation: Evaluation, comparison: Comparison | None = None, columns: int = DEFAULT_COLUMNS
) -> list[str]:
    """Return the evaluation as lines of text for people, the most important figures first.

    Args:
        evaluation: The evaluation.
        comparison: The comparison with another model.
        columns: The width that the tables fit.
    """
    model = evaluation.model
    predictions, identity = model.predictions, model.bundle.identity
    counts = count_labels(predictions, model.thresholds)
    subset = "" if evaluation.subset == "all" else f" {evaluation.subset}"
    carried = model.bundle.confidence_threshold == model.threshold
    figures = f"precision {_percent(counts.precision)}, recall {_percent(counts.recall)}"
    source = "the threshold" if carried else "the default threshold, because the bundle has none"
    lines = [
        f"{identity.name} {identity.version} on {len(evaluation.pictures)}{subset} pictures of {evaluation.dataset}",
        f"  accuracy      {_percent(compute_accuracy(predictions))}  (the best label is right)",
        f"  at {model.threshold:<10.4g} {figures}  ({source})",
        f"  area          {_decimal(compute_area(predictions))}  (under the precision-recall curve)",
        f"  calibration   {_decimal(compute_calibration(predictions).error)}  (expected error of a score; 0 is best)",
    ]
    if model.background is not None:
        given = count_labels(model.background, model.thresholds).given
        count = len(evaluation.background_pictures)
        rate = f"{1000 * given / count:.0f} per 1,000 pictures" if count else "no picture could be read"
        lines.append(f"  false labels  {rate}  ({given} on {count} of {evaluation.background})")
    lines += ["", *_format_table(model, columns)]
    pictures = evaluation.pictures
    if mistakes := _find_mistakes(model)[:_LISTED_MISTAKES]:
        lines += ["", "the most confident mistakes"]
        lines += [
            f"  {predictions.scores[index, label]:.2f} {pad_to_width(predictions.labels[label], min(_MISTAKE_COLUMNS, columns // 5))}"
            f" {pictures[index].name}"
            for index, label in mistakes
        ]
    if comparison is not None and evaluation.baseline is not None:
        lines += ["", *_format_comparison(evaluation.baseline, comparison, columns)]
    return lines


def find_wrong_labels(predictions: Predictions, thresholds: np.ndarray | float = 0.0) -> list[tuple[int, int]]:
    """Return (picture, label) of each picture's most certain wrong label at its threshold, the most certain first."""
    if not len(predictions.targets):
        return []
    wrong = np.where(predictions.is_own_label | (predictions.scores < thresholds), -1.0, predictions.scores)
    labels = wrong.argmax(axis=1)
    scores = wrong[np.arange(len(labels)), labels]
    return [(int(index), int(labels[index])) for index in np.argsort(-scores, kind="stable") if scores[index] > 0]


def _find_mistakes(model: ModelEvaluation) -> list[tuple[int, int]]:
    return find_wrong_labels(model.predictions, model.thresholds)


def _format_table(model: ModelEvaluation, columns: int) -> Iterator[str]:
    """Yield one line for each label with pictures, then for labels given without any, most frequent first."""
    predictions, counts = model.predictions, count_each_label(model.predictions, model.thresholds)
    others = sorted(
        (index for index, each in enumerate(counts) if each.given and not each.content),
        key=lambda index: -counts[index].given,
    )
    listed = [index for index, each in enumerate(counts) if each.content] + others[:_LISTED_OTHER_LABELS]
    widest = max([5, *(measure_width(predictions.labels[index]) for index in listed)])
    is_narrow = columns < _FIGURE_COLUMNS + _MIN_NAME_COLUMNS
    width = max(_MIN_NAME_COLUMNS, min(widest, columns - (_FEW_FIGURE_COLUMNS if is_narrow else _FIGURE_COLUMNS)))
    threshold, area = ("", "") if is_narrow else ("  threshold", "   area")
    yield f"{'label':<{width}}  pictures{threshold}  precision  recall{area}"
    for index in listed:
        each = counts[index]
        if not is_narrow:
            threshold = f"  {model.thresholds[index]:>9.4g}"
            area = f"  {_decimal(compute_area(predictions, index)):>5}"
        yield (
            f"{pad_to_width(predictions.labels[index], width)}  {each.content:>8}{threshold}  "
            f"{_percent(each.precision):>9}  {_percent(each.recall):>6}{area}"
        )
    if len(others) > _LISTED_OTHER_LABELS:
        yield f"and {len(others) - _LISTED_OTHER_LABELS} more labels that were given and have no picture"


def _format_comparison(baseline: ModelEvaluation, comparison: Comparison, columns: int) -> Iterator[str]:
    old = baseline.bundle.identity
    width = max(_MIN_NAME_COLUMNS, min(42, columns - _COMPARISON_COLUMNS))
    yield f"against {old.name} {old.version}, new − old with its 95 % interval"
    for each in (*comparison.measures, *comparison.labels):
        scale, unit = (1, "") if each.is_rate else (100, " %")
        new, before = (("–" if figure is None else f"{scale * figure:.1f}{unit}") for figure in (each.new, each.old))
        mark = "" if each.result == "same" else f"  {each.result}"
        interval = f"{scale * each.difference:+.1f} [{scale * each.low:+.1f}, {scale * each.high:+.1f}]"
        yield f"  {pad_to_width(each.name, width)} {before:>7} → {new:>7}  {interval}{mark}"
    yield comparison.summary


def _list_labels(model: ModelEvaluation) -> Iterator[dict[str, Any]]:
    false = None
    if model.background is not None:
        false = [each.given for each in count_each_label(model.background, model.thresholds)]
    for index, each in enumerate(count_each_label(model.predictions, model.thresholds)):
        yield {
            "label": model.predictions.labels[index],
            "pictures": each.content,
            "threshold": round(float(model.thresholds[index]), 6),
            **_counts_as_dict(each),
            "area_under_curve": _round(compute_area(model.predictions, index)),
            "false_on_background": None if false is None else false[index],
        }


def _confusion_as_dict(model: ModelEvaluation) -> dict[str, Any]:
    """Return rows and columns of the labels that occur; null stands for no label."""
    table = compute_confusion(model.predictions, model.thresholds)
    used = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1))
    used = np.union1d(used, [len(table) - 1])
    names = [*model.predictions.labels, None]
    return {"labels": [names[index] for index in used], "pictures": table[np.ix_(used, used)].tolist()}


def _calibration_as_dict(predictions: Predictions) -> dict[str, Any]:
    calibration = compute_calibration(predictions)
    bins = [
        {
            "from": each.low, "to": each.high, "pictures": each.pictures,
            "score": _round(each.confidence), "accuracy": _round(each.accuracy),
        }
        for each in calibration.bins
    ]  # fmt: skip
    return {"expected_error": _round(calibration.error), "bins": bins}


def _background_as_dict(evaluation: Evaluation, background: Predictions) -> dict[str, Any]:
    thresholds = evaluation.model.thresholds
    pictures, given = len(evaluation.background_pictures), count_labels(background, thresholds).given
    return {
        "dataset": str(evaluation.background),
        "pictures": pictures,
        "false_labels": given,
        "labeled_pictures": int((background.scores >= thresholds).any(axis=1).sum()),
        "false_labels_per_1000": round(1000 * given / pictures, 3) if pictures else None,
        "curve": [
            {"threshold": threshold, "false_labels": counts.given}
            for threshold, counts in zip(_list_thresholds(), compute_curve(background), strict=True)
        ],
    }


def _mistake_as_dict(evaluation: Evaluation, index: int, label: int) -> dict[str, Any]:
    predictions = evaluation.model.predictions
    target = int(predictions.targets[index])
    return {
        "picture": evaluation.pictures[index].name,
        "shows": predictions.labels[target] if target >= 0 else None,
        **({} if predictions.several is None else {"labels": list(evaluation.pictures[index].labels)}),
        "label": predictions.labels[label],
        "score": _round(float(predictions.scores[index, label])),
    }


def _difference_as_dict(each: Difference) -> dict[str, Any]:
    return {
        "name": each.name, "pictures": each.pictures, "new": _round(each.new), "old": _round(each.old),
        "difference": _round(each.difference), "interval": [_round(each.low), _round(each.high)],
        "verdict": each.result,
    }  # fmt: skip


def _counts_as_dict(counts: Counts) -> Mapping[str, float | None]:
    return {"precision": _round(counts.precision), "recall": _round(counts.recall)}


def _list_thresholds() -> list[float]:
    return [index / 100 for index in range(len(THRESHOLD_GRID))]


def _round(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 6)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _decimal(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.3f}"
