"""Teaches a model your own labels: from pictures in folders to a bundle, in seconds.

The dataset is a folder or zip with one folder of pictures a label, or a CSV index. The base is any TFLite image
classifier or embedding extractor; of several the best one on the validation pictures is taken.
"""

import argparse
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from appliance.bundle.version import is_version
from appliance.cli import DONE
from appliance.cli.arguments import add_gs
from appliance.errors import ApplianceError, UsageError, how_to_install

EXAMPLE = "example: appliance train flowers.zip --base mobilenet_v1_1.0_224_quant_embedding_extractor.tflite --out flowers-model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommand's own arguments."""
    parser.add_argument("dataset", metavar="DATASET", help="a folder, .zip or .csv of pictures with labels")
    parser.add_argument(
        "--base", action="append", required=True, type=Path, metavar="BUNDLE",
        help="what to build on; may be given again: the best wins",
    )  # fmt: skip
    parser.add_argument("--out", required=True, type=Path, metavar="BUNDLE", help="the folder or .zip to write")
    parser.add_argument("--background", metavar="DATASET", help="pictures that show none of the labels")
    parser.add_argument("--validation", metavar="DATASET", help="pictures to choose by (default: a part of DATASET)")
    parser.add_argument(
        "--budget",
        type=_seconds,
        metavar="TIME",
        help="such as 60s or 5m: be done by then, with fewer pictures if need be",
    )
    parser.add_argument(
        "--optimize", choices=("accuracy", "latency"), default="accuracy",
        help="of several bases the best, or a fast one that is nearly as good",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same seed gives the same bytes (default: 0)"
    )
    parser.add_argument("--name", metavar="NAME", help="of the bundle (default: the name of --out)")
    parser.add_argument("--model-version", metavar="VERSION", help="such as 1.2.0 (default: none, its hash tells it)")
    add_gs(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON value")


def run(arguments: argparse.Namespace) -> int:
    """Trains; the bundle is there only when all went well."""
    if arguments.seed < 0:
        raise UsageError(f"--seed must be 0 or more, not {arguments.seed}")
    if arguments.name is not None and not arguments.name.strip():
        raise UsageError("--name must not be empty")
    if arguments.model_version is not None and not is_version(arguments.model_version):
        raise UsageError(f"--model-version {arguments.model_version!r} is not a version by PEP 440, such as 1.2.0")
    try:
        from appliance.workshop.datasets.open import parse_gs_folders
        from appliance.workshop.training.train import TrainingRequest, train
    except ImportError as error:
        lacking = f"Training needs what this installation lacks ({error})"
        raise ApplianceError(f"{lacking}; {how_to_install('workshop')}") from error

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
        gs=parse_gs_folders(arguments.gs),
    )
    line = _ProgressLine()
    try:
        outcome = train(request, line)
    finally:
        line.clear()
    for warning in outcome.warnings:
        print(f"appliance: {warning}", file=sys.stderr)
    if arguments.json:
        json.dump(_value(arguments, outcome), sys.stdout, ensure_ascii=False, indent=2)
        print()
    else:
        print("\n".join(_lines(arguments, outcome)))
    return DONE


class _ProgressLine:
    """One line on a terminal that says what is being done and how long it will take; nothing elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._stage, self._began_s, self._began_done, self._said_s = "", 0.0, 0, 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        if not self._terminal:
            return
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began_s, self._began_done, self._said_s = stage, now, done, 0.0
        if now - self._said_s < 0.1 and done < total:
            return
        self._said_s = now
        count = f": {done} of {total}" if total else " …"
        # What was remembered from an earlier training took no time, so the rate is that of the others.
        rate = (done - self._began_done) / (now - self._began_s) if now > self._began_s else 0
        left = f", {(total - done) / rate:.0f} s left" if rate and now - self._began_s > 1 else ""
        print(f"\r\033[K{stage}{count}{left}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Takes the line away."""
        if self._terminal and self._stage:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _value(arguments: argparse.Namespace, outcome: Any) -> dict[str, Any]:
    bundle, chosen = outcome.bundle, outcome.chosen
    return {
        "out": str(arguments.out),
        "model": bundle.identity.as_dict(),
        "labels": list(bundle.labels),
        "background_label": bundle.background_label,
        "base": chosen.base,
        "accuracy": round(chosen.accuracy, 6),
        "at_threshold": {
            "threshold": chosen.choice.threshold, "precision": chosen.choice.precision, "recall": chosen.choice.recall,
        },
        "bases": [
            {
                "base": tried.base,
                "accuracy": round(tried.accuracy, 6),
                "inference_ms": round(tried.invoke_ms, 3),
                "strength": tried.strength,
            }
            for tried in outcome.candidates
        ],
        "pictures": dict(chosen.counts),
        "warnings": list(outcome.warnings),
        "seconds": round(outcome.seconds, 2),
    }  # fmt: skip


def _lines(arguments: argparse.Namespace, outcome: Any) -> list[str]:
    chosen, counts = outcome.chosen, outcome.chosen.counts
    lines = []
    if len(outcome.candidates) > 1:
        lines.append("accuracy     ms  base")
        lines += [
            f"{tried.accuracy:8.3f} {tried.invoke_ms:6.1f}  {tried.base}{'  (taken)' if tried is chosen else ''}"
            for tried in outcome.candidates
        ]
    background = f", {counts['background']} of background" if counts["background"] else ""
    at = chosen.choice
    precision = "no label is given" if at.precision is None else f"{at.precision:.1%} of the labels given are right"
    return [
        *lines,
        f"learned {len(outcome.bundle.labels)} labels from {counts['train']} pictures{background} in {outcome.seconds:.1f} s",
        f"on {counts['validation']} validation pictures the best label is right in {chosen.accuracy:.1%}",
        f"at the threshold {at.threshold:.2f}, {precision}, and {at.recall:.1%} of the pictures get theirs",
        f"one picture takes {chosen.invoke_ms:.1f} ms on this machine",
        f"written to {arguments.out}; try it: appliance label PICTURE --model {arguments.out}",
    ]


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?", text.strip())
    if not match or float(match[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 60s or 5m")
    return float(match[1]) * {"s": 1, None: 1, "m": 60, "min": 60, "h": 3600}[match[2]]
