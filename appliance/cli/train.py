"""Train a model on your own labels: from pictures in folders to a bundle, in seconds.

The dataset is a folder or zip with one folder of pictures per label, or a CSV index. The base is the general labeler
that ships with the program, or any TFLite image classifier or embedding extractor; if several are given, the best one
is used.
"""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.bundle.version import is_version
from appliance.cli.arguments import (
    add_gs_argument,
    add_json_argument,
    parse_output_path,
    parse_text,
    require_valid_seed,
)
from appliance.cli.device_model import obey_runtime_setting
from appliance.cli.exit_status import ExitStatus
from appliance.cli.input_options import add_input_arguments, parse_declared_input
from appliance.cli.job_options import add_job_arguments, limit_memory, open_progress
from appliance.cli.output import print_json, print_lines, print_message
from appliance.cli.train_report import as_dict, format_result
from appliance.errors import ApplianceError, UsageError, suggest_install
from appliance.system.shipped import DEFAULT, PREFIX

if TYPE_CHECKING:
    from appliance.workshop.training.fine_tuned import FineTuneOptions
    from appliance.workshop.training.train import TrainingResult

EXAMPLE = "example: appliance train flowers.zip --out flowers-model"
_DEFAULT_BASE = f"{PREFIX}{DEFAULT}"
_UNIT_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `appliance train`."""
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        help="pictures with labels: a folder, a .zip, or an index (.csv, .tsv, .jsonl, .json)",
    )
    parser.add_argument(
        "--base",
        action="append",
        type=Path,
        metavar="BUNDLE",
        help=f"the model to build on (default: {_DEFAULT_BASE}); repeatable, the best one is used",
    )
    parser.add_argument(
        "--out", required=True, type=parse_output_path, metavar="BUNDLE", help="the folder or .zip to write"
    )
    parser.add_argument("--background", metavar="DATASET", help="pictures that show none of the labels")
    parser.add_argument(
        "--validation", metavar="DATASET", help="pictures to choose the model by (default: a part of DATASET)"
    )
    _add_fit_arguments(parser)
    _add_record_arguments(parser)
    add_input_arguments(parser)
    add_job_arguments(parser)
    add_gs_argument(parser)
    add_json_argument(parser)


def _add_fit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of how the model is fitted and chosen."""
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
        "--reject",
        choices=("none", "low", "standard", "high"),
        default="standard",
        help="how strictly pictures of other things are rejected; at most 0, 1, 3 (default), or 10 %% of the genuine "
        "pictures are lost by it",
    )
    parser.add_argument(
        "--test", action="store_true", help="set a tenth of the pictures aside, for evaluate --split test"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same seed gives the same bytes (default: 0)"
    )
    parser.add_argument(
        "--fine-tune",
        action="store_true",
        help="train the last blocks of the base too, for up to 15 minutes (--budget for another limit); needs the "
        "extra torch",
    )
    parser.add_argument(
        "--no-mirror",
        action="store_true",
        help="with --fine-tune, never mirror pictures; for arrows, letters, and left and right hands",
    )


def _add_record_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of what the manifest states."""
    parser.add_argument(
        "--name", type=parse_text, metavar="NAME", help="the bundle's name (default: the name of --out)"
    )
    parser.add_argument(
        "--model-version", metavar="VERSION", help="the bundle's version, such as 1.2.0 (default: none, only its hash)"
    )
    parser.add_argument(
        "--parent",
        type=Path,
        metavar="BUNDLE",
        help="the model that the new one replaces, to be recorded in the bundle",
    )
    parser.add_argument(
        "--license",
        type=parse_text,
        metavar="NOTE",
        help="the license of the pictures, such as CC0, to be recorded in the bundle",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train a model; the bundle is written only if everything succeeds."""
    result = _train(arguments)
    for warning in result.warnings:
        print_message(warning)
    if arguments.json:
        print_json(as_dict(arguments.out, result))
    else:
        print_lines(format_result(arguments.out, result))
    return ExitStatus.DONE


def _train(arguments: argparse.Namespace) -> "TrainingResult":
    require_valid_seed(arguments.seed)
    if arguments.name is not None and not arguments.name.strip():
        raise UsageError("--name must not be empty")
    if arguments.model_version is not None and not is_version(arguments.model_version):
        raise UsageError(f"--model-version {arguments.model_version!r} is not a version by PEP 440, such as 1.2.0")
    try:
        from appliance.workshop.datasets.open import parse_gs_folders
        from appliance.workshop.training.rejection import RejectLevel
        from appliance.workshop.training.train import TrainingRequest, train_bundle
    except ImportError as error:
        raise ApplianceError(f"training requires more libraries ({error}); {suggest_install('workshop')}") from error

    obey_runtime_setting()
    request = TrainingRequest(
        dataset=arguments.dataset,
        bases=arguments.base or [Path(_DEFAULT_BASE)],
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
        parent=arguments.parent,
        license=arguments.license,
        reject=RejectLevel(arguments.reject),
        has_test=arguments.test,
        fine_tune=_parse_fine_tuning(arguments),
    )
    with open_progress(arguments) as line, limit_memory(arguments):
        return train_bundle(request, line.show)


def _parse_fine_tuning(arguments: argparse.Namespace) -> "FineTuneOptions | None":
    from appliance.workshop.training.feature_cache import default_cache_file
    from appliance.workshop.training.fine_tuned import FineTuneOptions

    if arguments.fine_tune:
        return FineTuneOptions(not arguments.no_mirror, default_cache_file().parent / "fine-tuning")
    if arguments.no_mirror:
        raise UsageError("--no-mirror is for --fine-tune; give both, or neither")
    return None


def _parse_duration_s(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?", text.strip())
    if not match or float(match[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 60s or 5m")
    return float(match[1]) * _UNIT_S[match[2] or "s"]
