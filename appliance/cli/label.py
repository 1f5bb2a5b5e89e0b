"""Label pictures with this device's model or another bundle.

Each PICTURE is a file; folders are not searched. A picture that cannot be read is reported, and the others are labeled.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from appliance.cli.arguments import add_json_argument, add_model_argument
from appliance.cli.exit_status import ExitStatus
from appliance.cli.input_options import add_input_arguments, parse_declared_input, warn_of_assumption
from appliance.cli.output import print_json, print_message
from appliance.errors import ModelError, PictureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.bundle.bundle import Bundle
    from appliance.labeling.label_filter import LabelFilter
    from appliance.labeling.labeler import Labeler
    from appliance.labeling.labels import Label
    from appliance.settings.schema import LabelerSettings

EXAMPLE = "example: appliance label rose.jpg tulip.jpg --threshold 0.3"


@dataclass(frozen=True, slots=True)
class _PictureResult:
    """The labels of one picture, or why it has none.

    Attributes:
        picture: The file.
        error: Why it could not be labeled; None if it was.
        labels: The labels that pass the filter.
        inference_ms: The model's time for the picture.
        best: The best label that may be reported, with its score and threshold, for people.
    """

    picture: Path
    error: str | None = None
    labels: "Sequence[Label]" = ()
    inference_ms: float = 0.0
    best: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `appliance label`."""
    parser.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE")
    add_model_argument(parser)
    parser.add_argument(
        "--threshold", type=float, metavar="T", help="report only scores of T or more (default: the model's threshold)"
    )
    parser.add_argument(
        "--max-results", type=int, default=-1, metavar="N", help="report at most N labels per picture (default: all)"
    )
    parser.add_argument(
        "--allow", action="append", default=[], metavar="LABEL", help="report only this label; repeatable"
    )
    parser.add_argument(
        "--deny", action="append", default=[], metavar="LABEL", help="never report this label; repeatable"
    )
    parser.add_argument(
        "--region",
        type=_parse_region,
        metavar="X,Y,W,H",
        help="label only this part, in fractions of the picture; or square",
    )
    add_input_arguments(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Label every picture; return 1 if one of them could not be labeled."""
    from appliance.bundle.bundle import read_bundle
    from appliance.bundle.input_spec import override
    from appliance.daemon.active_model import read_device_bundle
    from appliance.imaging.view import View
    from appliance.labeling.label_filter import LabelFilter
    from appliance.labeling.labeler import Labeler

    settings = _make_labeler_settings(arguments)
    bundle = read_bundle(arguments.model) if arguments.model else read_device_bundle()
    bundle = replace(bundle, input=override(bundle.input, parse_declared_input(arguments)))
    _print_remarks(bundle, arguments.verbose)
    labeler = Labeler(bundle, view=View().with_region(arguments.region))
    label_filter = LabelFilter(bundle, settings)
    results = [_label_picture(picture, labeler, label_filter) for picture in arguments.pictures]
    if arguments.json:
        model = labeler.identity.as_dict()
        print_json([_as_dict(result, model) for result in results])
    else:
        for result in results:
            _print_result(result)
    return ExitStatus.FAILED if any(result.error for result in results) else ExitStatus.DONE


def _print_remarks(bundle: "Bundle", verbose: bool) -> None:
    """Print a warning if the input range is assumed, and on request what is used."""
    if bundle.input.is_assumed:
        warn_of_assumption(bundle, str(bundle.source))
    if verbose:
        for note in (f"input {bundle.input.describe()}", *bundle.notes):
            print_message(note)


def _make_labeler_settings(arguments: argparse.Namespace) -> "LabelerSettings":
    from appliance.settings.schema import LabelerSettings

    if arguments.threshold is not None and not 0 <= arguments.threshold <= 1:
        raise UsageError(f"--threshold must be from 0 to 1, not {arguments.threshold:g}")
    if arguments.max_results != -1 and arguments.max_results < 1:
        raise UsageError(f"--max-results must be 1 or more, or -1 for all, not {arguments.max_results}")
    if arguments.allow and arguments.deny:
        raise UsageError("--allow and --deny are mutually exclusive; use one of them")
    return LabelerSettings(
        threshold=arguments.threshold,
        max_results=arguments.max_results,
        allow=tuple(arguments.allow),
        deny=tuple(arguments.deny),
    )


def _label_picture(picture: Path, labeler: "Labeler", label_filter: "LabelFilter") -> _PictureResult:
    from appliance.imaging.files import read_picture

    try:
        scores = labeler.score(read_picture(picture))
    except (PictureError, ModelError) as error:
        return _PictureResult(picture, error=str(error))
    reportable = label_filter.mask(scores)
    best = int(reportable.argmax())
    threshold = label_filter.thresholds[best]
    return _PictureResult(
        picture,
        labels=label_filter.select(scores),
        inference_ms=labeler.inference_ms,
        best=f"{labeler.labels[best]} {reportable[best]:.2f}, below the threshold of {threshold:.2f}",
    )


def _as_dict(result: _PictureResult, model: dict[str, str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"picture": str(result.picture), "model": model}
    if result.error is not None:
        return entry | {"error": result.error}
    labels = [{"label": item.label, "score": round(item.score, 6), "index": item.index} for item in result.labels]
    return entry | {"labels": labels, "inference_ms": round(result.inference_ms, 3)}


def _print_result(result: _PictureResult) -> None:
    print(result.picture)
    if result.error is not None:
        print_message(result.error)
        return
    for item in result.labels:
        print(f"  {item.score:.3f}  {item.label}")
    if not result.labels:
        print(f"  nothing  (best: {result.best})")


def _parse_region(text: str) -> 'tuple[float, float, float, float] | Literal["square"]':
    if text == "square":
        return "square"
    from appliance.settings.checks import check_region

    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not X,Y,W,H (four numbers from 0 to 1) or square") from None
    if error := check_region((x, y, width, height)):
        raise argparse.ArgumentTypeError(error)
    return x, y, width, height
