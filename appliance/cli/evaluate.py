"""Measure the quality of a model on labeled pictures, choose its threshold, and compare it with another model.

The pictures are the test split of DATASET if it has one, else its validation split, else all; --split selects others.
With --against, exit status 0 means better or no difference proven, 1 worse, and 3 too few pictures to tell. With
--max-loss as well, 0 means not worse by more than that, in accuracy, in F1, and in false labels.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.cli.arguments import (
    add_gs_argument,
    add_json_argument,
    parse_fraction,
    parse_output_path,
    require_valid_seed,
)
from appliance.cli.device_model import obey_runtime_setting
from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import ProgressLine, print_json, print_lines, print_message
from appliance.errors import UsageError
from appliance.system.text_width import read_columns
from appliance.workshop.datasets.split_names import SUBSETS

if TYPE_CHECKING:
    from appliance.workshop.evaluation.difference import Comparison
    from appliance.workshop.evaluation.evaluate import Evaluation
    from appliance.workshop.evaluation.threshold import PrecisionTarget

EXAMPLE = (
    "examples: appliance evaluate flowers-model flowers_val.zip --report report   "
    "appliance evaluate flowers-model flowers_val.zip --target-precision 0.95"
)


@dataclass(frozen=True, slots=True)
class _ThresholdResult:
    """The effect of --set-threshold and --target-precision.

    Attributes:
        evaluation: The evaluation with the resulting thresholds.
        is_reached: Whether --target-precision was reached; true without that option.
        messages: What was done, for people.
    """

    evaluation: "Evaluation"
    is_reached: bool
    messages: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `appliance evaluate`."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the model: a folder, .zip or .tflite")
    parser.add_argument(
        "dataset",
        type=Path,
        metavar="DATASET",
        help="pictures with labels: a folder, a .zip, or an index (.csv, .tsv, .jsonl, .json)",
    )
    parser.add_argument(
        "--report",
        type=parse_output_path,
        metavar="DIR",
        help="write DIR/index.html: curves, a movable threshold, the mistakes",
    )
    parser.add_argument(
        "--scores",
        type=parse_output_path,
        metavar="FILE",
        help="write the score of each picture for each label as CSV",
    )
    parser.add_argument("--background", type=Path, metavar="DATASET", help="pictures that show none of the labels")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="OLD",
        help="another model; exit status 1 if BUNDLE is worse than it, 3 if the pictures are too few to tell",
    )
    parser.add_argument(
        "--max-loss",
        type=_parse_points,
        metavar="POINTS",
        help="with --against: exit status 0 only if BUNDLE is not worse by more than this, such as 2",
    )
    _add_threshold_arguments(parser)
    parser.add_argument(
        "--split",
        choices=SUBSETS,
        default="auto",
        help="the pictures of DATASET to use; missing splits are made in the same way as by train",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the seed for splits and confidence intervals (default: 0)"
    )
    add_gs_argument(parser)
    add_json_argument(parser)


def _add_threshold_arguments(parser: argparse.ArgumentParser) -> None:
    thresholds = parser.add_mutually_exclusive_group()
    thresholds.add_argument(
        "--set-threshold",
        action="append",
        default=[],
        type=_parse_threshold,
        metavar="[LABEL=]T",
        help="write the threshold into BUNDLE, for all labels or for one; repeatable",
    )
    thresholds.add_argument(
        "--target-precision",
        type=parse_fraction,
        metavar="P",
        help="write into BUNDLE the lowest thresholds at which the share P of the reported labels is right",
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; return 1 if a precision cannot be reached or the model is worse, 3 if the pictures are too few."""
    require_valid_seed(arguments.seed)
    if arguments.max_loss is not None and arguments.against is None:
        raise UsageError("--max-loss needs the model to compare with; add --against OLD")
    obey_runtime_setting()
    from appliance.workshop.evaluation.compare import compare_models
    from appliance.workshop.evaluation.json_report import as_dict
    from appliance.workshop.evaluation.report_text import format_evaluation

    if arguments.report:
        from appliance.workshop.evaluation.html_report import require_report_folder

        require_report_folder(arguments.report)  # before the work of minutes
    if arguments.scores:
        from appliance.workshop.evaluation.score_table import require_score_file

        require_score_file(arguments.scores)
    result = _apply_thresholds(arguments, _evaluate(arguments))
    evaluation, messages = result.evaluation, result.messages
    comparison = compare_models(evaluation, arguments.seed) if evaluation.baseline else None
    if arguments.report:
        from appliance.workshop.evaluation.html_report import write_report

        report = write_report(evaluation, comparison, arguments.report, arguments.max_loss)
        messages.append(f"the report is {report}; open it in a browser")
    if arguments.scores:
        from appliance.workshop.evaluation.score_table import write_scores

        write_scores(evaluation, arguments.scores)
        messages.append(f"the scores are in {arguments.scores}")
    for note in (*evaluation.notes, *evaluation.warnings):
        print_message(note)
    max_loss = arguments.max_loss
    if arguments.json:
        print_json(as_dict(evaluation, comparison, max_loss))
    else:
        print_lines(format_evaluation(evaluation, comparison, read_columns(sys.stdout), max_loss))
    for message in messages:
        print(message, file=sys.stderr if arguments.json or not result.is_reached else sys.stdout)
    if not result.is_reached:
        return ExitStatus.FAILED
    return ExitStatus.DONE if comparison is None else _find_status(comparison, max_loss)


def _find_status(comparison: "Comparison", max_loss: float | None) -> ExitStatus:
    if max_loss is not None:
        check = comparison.check_loss(max_loss)
        return ExitStatus.FAILED if check.exceeded else ExitStatus.TOO_FEW if check.unknown else ExitStatus.DONE
    statuses = {"worse": ExitStatus.FAILED, "too_few": ExitStatus.TOO_FEW}
    return statuses.get(comparison.result, ExitStatus.DONE)


def _evaluate(arguments: argparse.Namespace) -> "Evaluation":
    from appliance.workshop.datasets.open import parse_gs_folders
    from appliance.workshop.evaluation.evaluate import EvaluationRequest, evaluate_models

    request = EvaluationRequest(
        bundle=arguments.bundle,
        dataset=arguments.dataset,
        background=arguments.background,
        baseline=arguments.against,
        subset=arguments.split,
        seed=arguments.seed,
        gs_folders=parse_gs_folders(arguments.gs),
    )
    with ProgressLine() as line:
        return evaluate_models(request, line.make_counter("evaluating pictures"))


def _apply_thresholds(arguments: argparse.Namespace, evaluation: "Evaluation") -> _ThresholdResult:
    """Write the requested thresholds into the bundle, and apply them to the evaluation."""
    from appliance.bundle.edit import write_thresholds
    from appliance.workshop.evaluation.intervals import floor_percent
    from appliance.workshop.evaluation.quality import describe_share
    from appliance.workshop.evaluation.threshold import find_thresholds_for_precision, merge_thresholds

    messages: list[str] = []
    model = evaluation.model
    common: float | None
    if arguments.target_precision is not None:
        target = find_thresholds_for_precision(model.predictions, arguments.target_precision)
        if target.threshold is None:
            return _ThresholdResult(evaluation, False, [_describe_unreached_target(arguments, target)])
        common, own = target.threshold, dict(target.label_thresholds)
        promised = model.replace_thresholds(common, own)
        share = replace(evaluation, model=promised).quality.point.precision_share
        messages.append(
            f"{describe_share(share, 'right', 'reported labels')}; at least {floor_percent(share.bound)} % can be "
            "promised on other pictures (90 % sure)"
        )
        messages += [
            f"{label} alone does not reach {arguments.target_precision:g} at any threshold"
            for label in target.unreached_labels
        ]
    elif arguments.set_threshold:
        common, own = merge_thresholds(model.bundle, arguments.set_threshold)
    else:
        return _ThresholdResult(evaluation, True, messages)
    bundle = write_thresholds(arguments.bundle, common, own)
    threshold = model.threshold if common is None else common
    model = replace(model.replace_thresholds(threshold, bundle.label_thresholds), bundle=bundle)
    labels = ", ".join(f"{label} {value:g}" for label, value in bundle.label_thresholds.items())
    own_thresholds = f", and for individual labels: {labels}" if labels else ""
    messages.append(f"{arguments.bundle} now has the threshold {threshold:g}{own_thresholds}")
    return _ThresholdResult(replace(evaluation, model=model), True, messages)


def _describe_unreached_target(arguments: argparse.Namespace, target: "PrecisionTarget") -> str:
    from appliance.workshop.evaluation.threshold import MIN_LABELS_GIVEN

    unchanged = f"{arguments.bundle} is unchanged"
    if target.best is None:
        return f"no threshold gives at least {MIN_LABELS_GIVEN} labels on these pictures; {unchanged}"
    threshold, counts = target.best.threshold, target.best.counts
    return (
        f"no threshold reaches a precision of {arguments.target_precision:g} on {MIN_LABELS_GIVEN} labels or more: "
        f"the best is {counts.precision:.3f}, at {threshold:g}, with a recall of {counts.recall or 0:.3f}; {unchanged}"
    )


def _parse_threshold(text: str) -> tuple[str | None, float]:
    label, equals, value = text.rpartition("=")
    if equals and not label:
        raise argparse.ArgumentTypeError(f"{text!r} has no label before the =")
    return (label if equals else None), parse_fraction(value)


def _parse_points(text: str) -> float:
    """Return a number of percentage points from 0 to 100 as a share."""
    try:
        points = float(text)
    except ValueError:
        points = -1.0
    if not 0 <= points <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of points from 0 to 100, such as 2")
    return points / 100
