"""Says how good a model is on pictures whose labels are known, chooses its threshold, and holds it against another.

The pictures are the test split of DATASET where it has one, else its validation split, else all; --split chooses.
With --against, status 1 says that the new model is worse beyond chance.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from appliance.cli import DONE, FAILED
from appliance.cli.arguments import add_gs, counting_line
from appliance.errors import UsageError

EXAMPLE = (
    "examples: appliance evaluate flowers-model flowers_val.zip --report report   "
    "appliance evaluate flowers-model flowers_val.zip --target-precision 0.95"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommand's own arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the model: a folder, .zip or .tflite")
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="a folder, .zip or .csv of pictures with labels")
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="write DIR/index.html: curves, a threshold to move, the mistakes"
    )
    parser.add_argument("--background", type=Path, metavar="DATASET", help="pictures that show none of the labels")
    parser.add_argument(
        "--against", type=Path, metavar="OLD", help="another model; status 1 where BUNDLE is worse than it"
    )
    thresholds = parser.add_mutually_exclusive_group()
    thresholds.add_argument(
        "--set-threshold", action="append", default=[], type=_threshold, metavar="[LABEL=]T",
        help="write the threshold into BUNDLE, for all labels or one; may be given again",
    )  # fmt: skip
    thresholds.add_argument(
        "--target-precision", type=_share, metavar="P",
        help="write the lowest thresholds into BUNDLE at which a share P of the labels given is right",
    )  # fmt: skip
    parser.add_argument(
        "--split", choices=("auto", "test", "validation", "train", "all"), default="auto",
        help="which pictures of DATASET; where it has no splits they are made as train makes them",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the splits and of the intervals (default: 0)"
    )
    add_gs(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON value")


def run(arguments: argparse.Namespace) -> int:
    """Evaluates; status 1 where a precision cannot be reached, or the other model is better."""
    if arguments.seed < 0:
        raise UsageError(f"--seed must be 0 or more, not {arguments.seed}")
    from appliance.workshop.datasets.open import gs_folders
    from appliance.workshop.evaluation.compare import compare
    from appliance.workshop.evaluation.evaluate import EvaluationRequest, evaluate
    from appliance.workshop.evaluation.report_text import as_json, lines

    request = EvaluationRequest(
        bundle=arguments.bundle,
        dataset=arguments.dataset,
        background=arguments.background,
        against=arguments.against,
        part=arguments.split,
        seed=arguments.seed,
        gs=gs_folders(arguments.gs),
    )
    evaluation = evaluate(request, counting_line("looking at pictures", 10))
    evaluation, written, says = _with_thresholds(arguments, evaluation)
    comparison = compare(evaluation, arguments.seed) if evaluation.against else None
    if arguments.report:
        from appliance.workshop.evaluation.html_report import write_report

        report = write_report(evaluation, comparison, arguments.report)
        says.append(f"the report is {report}: open it in a browser")
    for note in evaluation.notes:
        print(f"appliance: {note}", file=sys.stderr)
    if arguments.json:
        json.dump(as_json(evaluation, comparison), sys.stdout, ensure_ascii=False, indent=2)
        print()
    else:
        print("\n".join(lines(evaluation, comparison)))
    for sentence in says:
        print(sentence, file=sys.stderr if arguments.json or not written else sys.stdout)
    return FAILED if not written or (comparison and comparison.verdict == "worse") else DONE


def _with_thresholds(arguments: argparse.Namespace, evaluation: Any) -> tuple[Any, bool, list[str]]:
    """Writes thresholds where that is wanted: the evaluation under them, whether all went well, and what to say of it."""
    from dataclasses import replace

    from appliance.bundle.edit import write_thresholds
    from appliance.workshop.evaluation.threshold import choose, kept_thresholds

    says: list[str] = []
    if arguments.target_precision is not None:
        target = choose(evaluation.subject.judged, arguments.target_precision)
        if target.threshold is None:
            return evaluation, False, [_unreached(arguments, target)]
        common, own = target.threshold, dict(target.label_thresholds)
        says += [
            f"{label} alone does not reach {arguments.target_precision:g} at any threshold"
            for label in target.short_of_it
        ]
    elif arguments.set_threshold:
        common, own = kept_thresholds(evaluation.subject.bundle, arguments.set_threshold)
    else:
        return evaluation, True, says
    bundle = write_thresholds(arguments.bundle, common, own)
    threshold = evaluation.subject.threshold if common is None else common
    subject = replace(evaluation.subject.at(threshold, bundle.label_thresholds), bundle=bundle)
    others = ", ".join(f"{label} {value:g}" for label, value in bundle.label_thresholds.items())
    says.append(
        f"{arguments.bundle} now carries the threshold {threshold:g}{' and of their own: ' + others if others else ''}"
    )
    return replace(evaluation, subject=subject), True, says


def _unreached(arguments: argparse.Namespace, target: Any) -> str:
    from appliance.workshop.evaluation.threshold import LEAST_GIVEN

    unchanged = f"{arguments.bundle} is as it was."
    if target.best is None:
        return f"No precision can be told: no threshold gives even {LEAST_GIVEN} labels on these pictures. {unchanged}"
    threshold, counts = target.best
    best = f"the best is {counts.precision:.3f}, at {threshold:g}, with a recall of {counts.recall or 0:.3f}"
    return f"No threshold reaches a precision of {arguments.target_precision:g} on {LEAST_GIVEN} labels or more: {best}. {unchanged}"


def _threshold(text: str) -> tuple[str | None, float]:
    label, equals, value = text.rpartition("=")
    if equals and not label:
        raise argparse.ArgumentTypeError(f"{text!r} names no label before the =")
    return (label if equals else None), _share(value)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1") from None
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value
