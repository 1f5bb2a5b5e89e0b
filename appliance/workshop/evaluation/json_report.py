"""Return an evaluation as the value of `evaluate --json`.

Scripts depend on the keys, among them `accuracy`, `at_threshold`, `curve`, `per_label`, and `background`. A figure that
is a share is there twice: as a number, and under `intervals` with its 95 % interval ({"value", "low", "high"}).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from appliance.workshop.evaluation.difference import Comparison, Difference
from appliance.workshop.evaluation.evaluate import Evaluation, ModelEvaluation
from appliance.workshop.evaluation.intervals import MeasuredShare, share_effective
from appliance.workshop.evaluation.metrics import (
    THRESHOLD_GRID,
    Counts,
    Predictions,
    compute_accuracy,
    compute_area,
    compute_confusion,
    compute_curve,
    count_each_label,
    count_labels,
)
from appliance.workshop.evaluation.mistakes import find_wrong_labels
from appliance.workshop.evaluation.quality import ModelQuality
from appliance.workshop.evaluation.resampling import compute_area_interval
from appliance.workshop.evaluation.threshold import measure_point

_JSON_MISTAKES = 50


def as_dict(
    evaluation: Evaluation, comparison: Comparison | None = None, max_loss: float | None = None
) -> dict[str, Any]:
    """Return the value of `evaluate --json`; undefined figures (a precision if no label is given) are null.

    Args:
        evaluation: The evaluation.
        comparison: The comparison with the baseline, if there is one.
        max_loss: The loss that is allowed, as a share; None if none was given.
    """
    model, quality = evaluation.model, evaluation.quality
    area = _area_as_dict(evaluation)
    mistakes = find_wrong_labels(model.predictions, model.thresholds)
    value: dict[str, Any] = {
        "model": model.bundle.identity.as_dict(),
        "dataset": str(evaluation.dataset),
        "split": evaluation.subset,
        "pictures": len(evaluation.pictures),
        "recordings": len(set(evaluation.recordings)),
        "accuracy": _round(compute_accuracy(model.predictions)),
        "intervals": {
            "accuracy": quality.accuracy.as_dict(),
            **_point_as_dict(quality),
            "area_under_curve": area,
        },
        "area_under_curve": area["value"],
        "at_threshold": {
            "threshold": model.threshold,
            "label_thresholds": model.label_thresholds,
            **_counts_as_dict(count_labels(model.predictions, model.thresholds)),
            "intervals": _point_as_dict(quality),
        },
        **_curves_as_dict(evaluation),
        "per_label": list(_list_labels(model, quality)),
        "worst_labels": [each.label for each in quality.worst_labels],
        "confusion": _confusion_as_dict(model) if model.predictions.several is None else None,
        "calibration": _calibration_as_dict(quality),
        "background": _background_as_dict(evaluation, model.background) if model.background is not None else None,
        "mistakes": [_mistake_as_dict(evaluation, index, label) for index, label in mistakes[:_JSON_MISTAKES]],
        "labels_not_in_model": list(model.missing_labels),
        "labels_not_in_dataset": list(model.unpictured_labels),
        "skipped": [{"picture": each.name, "reason": each.reason} for each in evaluation.skipped],
        "warnings": list(evaluation.warnings),
        "notes": list(evaluation.notes),
    }
    if comparison is not None and evaluation.baseline is not None:
        value["against"] = _comparison_as_dict(evaluation, evaluation.baseline, comparison, max_loss)
    return value


def _comparison_as_dict(
    evaluation: Evaluation, baseline: ModelEvaluation, comparison: Comparison, max_loss: float | None
) -> dict[str, Any]:
    old = baseline.measure_quality(evaluation.recordings)
    return {
        "model": baseline.bundle.identity.as_dict(),
        "intervals": {"accuracy": old.accuracy.as_dict(), **_point_as_dict(old)},
        "verdict": comparison.result,
        "answer": comparison.result.answer,
        "says": comparison.summary,
        **({} if max_loss is None else {"max_loss": _loss_as_dict(comparison, max_loss)}),
        "measures": [_difference_as_dict(each) for each in comparison.measures],
        "per_label": [_difference_as_dict(each) for each in comparison.labels],
    }


def _curves_as_dict(evaluation: Evaluation) -> dict[str, Any]:
    effective_share = share_effective(evaluation.recordings)
    points = list(zip(_list_thresholds(), compute_curve(evaluation.model.predictions), strict=True))
    return {
        "curve": [{"threshold": threshold, **_counts_as_dict(counts)} for threshold, counts in points],
        "threshold_curve": [
            measure_point(threshold, counts, effective_share).as_dict() for threshold, counts in points
        ],
    }


def _area_as_dict(evaluation: Evaluation) -> dict[str, float | None]:
    predictions = evaluation.model.predictions
    low, high = compute_area_interval(predictions, evaluation.recordings) or (None, None)
    return {"value": _round(compute_area(predictions)), "low": _round(low), "high": _round(high)}


def _point_as_dict(quality: ModelQuality) -> dict[str, Any]:
    return {"precision": quality.point.precision_share.as_dict(), "recall": quality.point.recall_share.as_dict()}


def _list_labels(model: ModelEvaluation, quality: ModelQuality) -> Iterator[dict[str, Any]]:
    false = None
    if model.background is not None:
        false = [each.given for each in count_each_label(model.background, model.thresholds)]
    measured = {each.label: each for each in quality.labels}
    for index, each in enumerate(count_each_label(model.predictions, model.thresholds)):
        label = model.predictions.labels[index]
        own = measured.get(label)
        unknown = MeasuredShare.measure(0, 0).as_dict()
        yield {
            "label": label,
            "pictures": each.content,
            "threshold": round(float(model.thresholds[index]), 6),
            **_counts_as_dict(each),
            "intervals": {
                "precision": own.precision.as_dict() if own else unknown,
                "recall": own.recall.as_dict() if own else unknown,
            },
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


def _calibration_as_dict(quality: ModelQuality) -> dict[str, Any]:
    calibration = quality.calibration
    bins = []
    for each in calibration.bins:
        right = 0 if each.accuracy is None else round(each.accuracy * each.pictures)
        share = MeasuredShare.measure(right, each.pictures)
        bins.append(
            {
                "from": each.low, "to": each.high, "pictures": each.pictures,
                "score": _round(each.confidence), "accuracy": _round(each.accuracy),
                "low": _round(share.low), "high": _round(share.high),
            }
        )  # fmt: skip
    return {"expected_error": _round(calibration.error), "chance_error": _round(quality.chance_error), "bins": bins}


def _background_as_dict(evaluation: Evaluation, background: Predictions) -> dict[str, Any]:
    thresholds = evaluation.model.thresholds
    pictures, given = len(evaluation.background_pictures), count_labels(background, thresholds).given
    labeled = evaluation.labeled_background
    return {
        "dataset": str(evaluation.background),
        "pictures": pictures,
        "false_labels": given,
        "labeled_pictures": 0 if labeled is None else labeled.count,
        "intervals": {"labeled_pictures": None if labeled is None else labeled.as_dict()},
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


def _loss_as_dict(comparison: Comparison, max_loss: float) -> dict[str, Any]:
    check = comparison.check_loss(max_loss)
    result = "exceeded" if check.exceeded else "too_few" if check.unknown else "kept"
    return {"points": round(100 * max_loss, 6), "result": result, "says": check.summary}


def _counts_as_dict(counts: Counts) -> Mapping[str, float | None]:
    return {"precision": _round(counts.precision), "recall": _round(counts.recall)}


def _list_thresholds() -> list[float]:
    return [index / 100 for index in range(len(THRESHOLD_GRID))]


def _round(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 6)
