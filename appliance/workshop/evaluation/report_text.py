"""Format an evaluation as text for people: each figure with what it means and how certain it is."""

from collections.abc import Iterator

from appliance.system.text_width import DEFAULT_COLUMNS, cut_to_width, measure_width, pad_to_width
from appliance.workshop.evaluation.difference import Comparison, Difference
from appliance.workshop.evaluation.evaluate import Evaluation, ModelEvaluation
from appliance.workshop.evaluation.intervals import MeasuredShare
from appliance.workshop.evaluation.metrics import compute_area, count_each_label, count_labels
from appliance.workshop.evaluation.mistakes import find_wrong_labels
from appliance.workshop.evaluation.quality import bracket_share, describe_share
from appliance.workshop.evaluation.resampling import compute_area_interval

_LISTED_MISTAKES = 5
_LISTED_OTHER_LABELS = 10
# What the columns of figures take beside the names, in the table of labels and in that of a comparison.
_FIGURE_COLUMNS, _COMPARISON_COLUMNS = 58, 56
# On a narrow terminal, the table has no threshold and no intervals.
_FEW_FIGURE_COLUMNS = 30
_MIN_NAME_COLUMNS, _MISTAKE_COLUMNS = 10, 16


def format_evaluation(
    evaluation: Evaluation,
    comparison: Comparison | None = None,
    columns: int = DEFAULT_COLUMNS,
    max_loss: float | None = None,
) -> list[str]:
    """Return the evaluation as lines of text for people, the most important figures first.

    Args:
        evaluation: The evaluation.
        comparison: The comparison with another model.
        columns: The width that the tables fit.
        max_loss: The loss that is allowed, as a share; None if none was given.
    """
    model = evaluation.model
    identity = model.bundle.identity
    subset = "" if evaluation.subset == "all" else f" {evaluation.subset}"
    lines = [
        f"{identity.name} {identity.version} on {len(evaluation.pictures)}{subset} pictures of {evaluation.dataset}",
        *_format_figures(evaluation, columns),
        "",
        *_format_table(evaluation, columns),
    ]
    predictions, pictures = model.predictions, evaluation.pictures
    if mistakes := find_wrong_labels(predictions, model.thresholds)[:_LISTED_MISTAKES]:
        width = min(_MISTAKE_COLUMNS, columns // 5)
        lines += ["", "the most confident mistakes"]
        lines += [
            f"  {predictions.scores[index, label]:.2f} {pad_to_width(predictions.labels[label], width)}"
            f" {pictures[index].name}"
            for index, label in mistakes
        ]
    if comparison is not None and evaluation.baseline is not None:
        lines += ["", *_format_comparison(evaluation.baseline, comparison, columns)]
        if max_loss is not None:
            lines.append(comparison.check_loss(max_loss).summary)
    return lines


def _format_figures(evaluation: Evaluation, columns: int) -> Iterator[str]:
    model, quality = evaluation.model, evaluation.quality
    has_own = model.bundle.confidence_threshold == model.threshold
    source = "the threshold" if has_own else "the default threshold, because the bundle has none"
    area, limits = compute_area(model.predictions), compute_area_interval(model.predictions, evaluation.recordings)
    between = "" if limits is None else f", between {limits[0]:.3f} and {limits[1]:.3f}"
    yield f"  accuracy      {describe_share(quality.accuracy, 'right')}  (the best label)"
    yield f"  at {model.threshold:<10.4g} {source}:"
    yield f"    precision   {describe_share(quality.point.precision_share, 'right', 'reported labels')}"
    yield f"    recall      {describe_share(quality.point.recall_share, 'found', _name_recall(model))}"
    yield f"  area          {_decimal(area)}{between}  (under the precision-recall curve)"
    error, chance = quality.calibration.error, quality.chance_error
    if error is not None and chance is not None:
        yield f"  calibration   {error:.3f}  (expected error of a score; up to {chance:.3f} may be chance)"
    if (labeled := evaluation.labeled_background) is not None and model.background is not None:
        given = count_labels(model.background, model.thresholds).given
        rate = f"{1000 * given / labeled.total:.0f} per 1,000 pictures" if labeled.total else "no picture could be read"
        yield f"  false labels  {rate}  ({given} on {labeled.total} of {evaluation.background})"
        yield f"                {describe_share(labeled, 'get a label', 'background pictures')}"
    if len(quality.labels) > 1:
        width = max(_MIN_NAME_COLUMNS, (columns - len("  worst labels  " + 3 * " 100.0 %, ")) // 3)
        worst = (f"{cut_to_width(each.label, width)} {_percent(each.recall)}" for each in quality.worst_labels)
        yield f"  worst labels  {', '.join(worst)}"


def _name_recall(model: ModelEvaluation) -> str:
    return "pictures" if model.predictions.several is None else "labels of pictures"


def _format_table(evaluation: Evaluation, columns: int) -> Iterator[str]:
    """Yield one line for each label with pictures, then for labels given without any, most frequent first."""
    model = evaluation.model
    predictions, counts = model.predictions, count_each_label(model.predictions, model.thresholds)
    measured = {each.label: each for each in evaluation.quality.labels}
    others = sorted(
        (index for index, each in enumerate(counts) if each.given and not each.content),
        key=lambda index: -counts[index].given,
    )
    listed = [index for index, each in enumerate(counts) if each.content] + others[:_LISTED_OTHER_LABELS]
    widest = max([5, *(measure_width(predictions.labels[index]) for index in listed)])
    is_narrow = columns < _FIGURE_COLUMNS + _MIN_NAME_COLUMNS
    width = max(_MIN_NAME_COLUMNS, min(widest, columns - (_FEW_FIGURE_COLUMNS if is_narrow else _FIGURE_COLUMNS)))
    if is_narrow:
        yield f"{'label':<{width}}  pictures  precision  recall"
    else:
        yield f"{'label':<{width}}  pictures  threshold  precision          recall"
    for index in listed:
        own = measured.get(predictions.labels[index])
        precision = own.precision if own else MeasuredShare.measure(counts[index].right, counts[index].given)
        recall = own.recall if own else MeasuredShare.measure(0, 0)
        line = f"{pad_to_width(predictions.labels[index], width)}  {counts[index].content:>8}"
        if is_narrow:
            yield f"{line}  {_percent(precision):>9}  {_percent(recall):>6}"
        else:
            line += f"  {model.thresholds[index]:>9.4g}  {bracket_share(precision)}  {bracket_share(recall)}"
            yield line.rstrip()
    if len(others) > _LISTED_OTHER_LABELS:
        yield f"and {len(others) - _LISTED_OTHER_LABELS} more labels that were given and have no picture"


def _format_comparison(baseline: ModelEvaluation, comparison: Comparison, columns: int) -> Iterator[str]:
    old = baseline.bundle.identity
    width = max(_MIN_NAME_COLUMNS, min(42, columns - _COMPARISON_COLUMNS))
    yield f"against {old.name} {old.version}, new − old with its 95 % interval"
    for each in (*comparison.measures, *comparison.labels):
        scale, unit = (1, "") if each.is_rate else (100, " %")
        new, before = (("–" if figure is None else f"{scale * figure:.1f}{unit}") for figure in (each.new, each.old))
        mark = "" if each.result == "same" else f"  {each.result.short}"
        figures = f"{before:>7} → {new:>7}  {scale * each.difference:+.1f} {_format_interval(each)}{mark}"
        yield f"  {pad_to_width(each.name, width)} {cut_to_width(figures, max(20, columns - width - 3))}"
    yield comparison.summary


def _format_interval(each: Difference) -> str:
    if each.low is None or each.high is None:
        return "[–]"
    scale = 1 if each.is_rate else 100
    return f"[{scale * each.low:+.1f}, {scale * each.high:+.1f}]"


def _percent(share: MeasuredShare) -> str:
    return "–" if share.value is None else f"{100 * share.value:.1f} %"


def _decimal(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.3f}"
