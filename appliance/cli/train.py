"""Train a model on your own labels: from pictures in folders to a bundle, in seconds.

The dataset is a folder or zip with one folder of pictures per label, or a CSV index. The base is any TFLite image
classifier or embedding extractor; if several are given, the one that is best on the validation pictures is used.
"""

import argparse
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.bundle.version import is_version
from appliance.cli.arguments import add_gs_argument, add_json_argument, require_valid_seed
from appliance.cli.device_model import obey_runtime_setting
from appliance.cli.exit_status import ExitStatus
from appliance.cli.input_options import add_input_arguments, parse_declared_input
from appliance.cli.job_options import add_job_arguments, limit_memory, open_progress
from appliance.cli.next_step import suggest_after_training
from appliance.cli.output import print_json, print_lines, print_message
from appliance.errors import ApplianceError, UsageError, suggest_install
from appliance.system.text_layout import CommandLine
from appliance.system.text_width import read_columns

if TYPE_CHECKING:
    from appliance.workshop.training.candidate import TrainedCandidate
    from appliance.workshop.training.train import TrainingResult

EXAMPLE = (
    "example: appliance train flowers.zip --base mobilenet_v1_1.0_224_quant_embedding_extractor.tflite "
    "--out flowers-model"
)
_UNIT_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `appliance train`."""
    parser.add_argument("dataset", metavar="DATASET", help="a folder, .zip or .csv of pictures with labels")
    parser.add_argument(
        "--base",
        action="append",
        required=True,
        type=Path,
        metavar="BUNDLE",
        help="the model to build on, such as bundled:general; repeatable, the best one is used",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="BUNDLE", help="the folder or .zip to write")
    parser.add_argument("--background", metavar="DATASET", help="pictures that show none of the labels")
    parser.add_argument(
        "--validation", metavar="DATASET", help="pictures to choose the model by (default: a part of DATASET)"
    )
    parser.add_argument(
        "--budget",
        type=_parse_duration_s,
        metavar="TIME",
        help="the time limit, such as 60s or 5m; fewer pictures are used if necessary",
    )
    parser.add_argument(
        "--optimize",
        choices=("accuracy", "latency"),
        default="accuracy",
        help="among several bases, use the most accurate (default), or a fast one that is nearly as accurate",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same seed gives the same bytes (default: 0)"
    )
    parser.add_argument("--name", metavar="NAME", help="the bundle's name (default: the name of --out)")
    parser.add_argument(
        "--model-version", metavar="VERSION", help="the bundle's version, such as 1.2.0 (default: none, only its hash)"
    )
    add_input_arguments(parser)
    add_job_arguments(parser)
    add_gs_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train a model; the bundle is written only if everything succeeds."""
    result = _train(arguments)
    for warning in result.warnings:
        print_message(warning)
    if arguments.json:
        print_json(_as_dict(arguments, result))
    else:
        print_lines(_format_result(arguments, result))
    return ExitStatus.DONE


def _train(arguments: argparse.Namespace) -> "TrainingResult":
    require_valid_seed(arguments.seed)
    if arguments.name is not None and not arguments.name.strip():
        raise UsageError("--name must not be empty")
    if arguments.model_version is not None and not is_version(arguments.model_version):
        raise UsageError(f"--model-version {arguments.model_version!r} is not a version by PEP 440, such as 1.2.0")
    try:
        from appliance.workshop.datasets.open import parse_gs_folders
        from appliance.workshop.training.train import TrainingRequest, train_bundle
    except ImportError as error:
        raise ApplianceError(f"training requires more libraries ({error}); {suggest_install('workshop')}") from error

    obey_runtime_setting()
    request = TrainingRequest(
        dataset=arguments.dataset,
        bases=arguments.base,
        out=arguments.out,
        validation=arguments.validation,
        background=arguments.background,
        budget_s=arguments.budget,
        optimize=arguments.optimize,
        seed=arguments.seed,
        name=arguments.name,
        version=arguments.model_version,
        gs_folders=parse_gs_folders(arguments.gs),
        input=parse_declared_input(arguments),
    )
    with open_progress(arguments) as line, limit_memory(arguments):
        return train_bundle(request, line.show)


def _as_dict(arguments: argparse.Namespace, result: "TrainingResult") -> dict[str, Any]:
    bundle, chosen = result.bundle, result.chosen
    return {
        "out": str(arguments.out),
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
        "bases": [
            {
                "base": candidate.base,
                "accuracy": round(candidate.accuracy, 6),
                "inference_ms": round(candidate.invoke_ms, 3),
                "strength": candidate.strength,
            }
            for candidate in result.candidates
        ],
        "pictures": dict(chosen.counts),
        "multi_label": chosen.thresholds is not None,
        **({"per_label": [asdict(each) for each in chosen.thresholds.figures]} if chosen.thresholds else {}),
        "warnings": list(result.warnings),
        "seconds": round(result.seconds, 2),
    }


def _format_result(arguments: argparse.Namespace, result: "TrainingResult") -> list[str | CommandLine]:
    chosen, counts, choice = result.chosen, result.chosen.counts, result.chosen.choice
    table = []
    if len(result.candidates) > 1:
        table = ["accuracy     ms  base"] + [
            f"{candidate.accuracy:8.3f} {candidate.invoke_ms:6.1f}  {_shorten_path(candidate.base)}"
            f"{'  (used)' if candidate is chosen else ''}"
            for candidate in result.candidates
        ]
    labels = len(result.bundle.labels)
    background = f" and {counts['background']} of background" if counts["background"] else ""
    precision = "no label is reported"
    if choice.precision is not None:
        precision = f"{choice.precision:.1%} of the reported labels are right"
    return [
        *table,
        f"trained {labels} labels on {counts['train']} pictures{background} in {result.seconds:.1f} s",
        *_format_figures(chosen, precision),
        f"one picture takes {chosen.invoke_ms:.1f} ms on this machine",
        *suggest_after_training(arguments.out),
    ]


def _format_figures(chosen: "TrainedCandidate", precision: str) -> list[str]:
    count, choice = chosen.counts["validation"], chosen.choice
    if chosen.thresholds is None:
        recall = f"{choice.recall:.1%} of the pictures get their label"
        return [
            f"on {count} validation pictures the best label is right in {chosen.accuracy:.1%}",
            f"at the threshold {choice.threshold:.2f}, {precision}, and {recall}",
        ]
    figures = chosen.thresholds.figures
    width = max(5, min(32, *(len(each.label) for each in figures)))
    precisions = ["–" if each.precision is None else f"{each.precision:.1%}" for each in figures]
    return [
        "pictures have several labels, so each label is reported independently",
        f"on {count} validation pictures the mean average precision of the labels is {chosen.accuracy:.3f}",
        f"at the thresholds of the labels, {precision}, and {choice.recall:.1%} of the labels are found:",
        f"  {'label':<{width}}  pictures  threshold  precision  recall",
        *(
            f"  {each.label:<{width}}  {each.pictures:>8}  {each.threshold:>9.2f}  {text:>9}  {each.recall:>6.1%}"
            for each, text in zip(figures, precisions, strict=True)
        ),
    ]


def _shorten_path(path: str) -> str:
    """Return the end of a path that is too long for a table on a terminal, because its beginning says less."""
    if not sys.stdout.isatty():
        return path
    columns = read_columns(sys.stdout) - len("accuracy     ms    (used)")
    return path if len(path) <= columns else "…" + path[1 - columns :]


def _parse_duration_s(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?", text.strip())
    if not match or float(match[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 60s or 5m")
    return float(match[1]) * _UNIT_S[match[2] or "s"]
