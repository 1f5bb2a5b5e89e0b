"""Label pictures with this device's model or another bundle.

Each PICTURE is a file or a folder, whose pictures are labeled, also those in its subfolders. A picture that cannot be
read is reported, and the others are labeled.
"""

import argparse
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from appliance.cli.arguments import add_json_argument, add_model_argument
from appliance.cli.device_model import obey_runtime_setting, read_chosen_bundle
from appliance.cli.exit_status import ExitStatus
from appliance.cli.input_options import add_input_arguments, parse_declared_input, warn_of_assumption
from appliance.cli.output import ProgressLine, print_json, print_lines, print_message
from appliance.errors import ModelError, PictureError, UsageError
from appliance.system.foreign_text import clean_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.bundle.bundle import Bundle
    from appliance.labeling.label_filter import LabelFilter
    from appliance.labeling.labeler import Labeler
    from appliance.labeling.labels import Label
    from appliance.settings.schema import LabelerSettings

EXAMPLE = "example: appliance label rose.jpg pictures/ --threshold 0.3"
_MAX_NAME = 4096  # PATH_MAX


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
    parser.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE", help="a picture, or a folder of pictures")
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
    parser.add_argument(
        "--fine", action="store_true", help="with bundled:general: report the 1,000 classes below its names"
    )
    add_input_arguments(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Label every picture; return 1 if one of them could not be labeled."""
    from appliance.bundle.archive import TemporaryFolder
    from appliance.bundle.input_spec import override
    from appliance.imaging.view import View
    from appliance.labeling.label_filter import LabelFilter
    from appliance.labeling.labeler import Labeler

    if arguments.fine:
        from appliance.workshop.models.general.fine_classes import read_fine_bundle

    settings = _make_labeler_settings(arguments)
    bundle = read_chosen_bundle(arguments.model, obey_runtime_setting())
    folder = TemporaryFolder()  # removed when this function returns
    if arguments.fine:
        bundle = read_fine_bundle(bundle, folder.path)
    bundle = replace(bundle, input=override(bundle.input, parse_declared_input(arguments)))
    _print_remarks(bundle, arguments.verbose)
    labeler = Labeler(bundle, view=View().with_region(arguments.region))
    label_filter = LabelFilter(bundle, settings)
    results = []
    pictures = [picture for path in arguments.pictures for picture in _find_pictures(path)]
    with ProgressLine() as line:
        for picture in pictures:
            results.append(_label_picture(picture, labeler, label_filter))
            if arguments.json or not sys.stdout.isatty():
                line.show("labeling pictures", len(results), len(pictures))
            if not arguments.json:
                _print_result(results[-1])
    if arguments.json:
        model = labeler.identity.as_dict()
        print_json([_as_dict(result, model) for result in results])
    return ExitStatus.FAILED if any(result.error for result in results) else ExitStatus.DONE


def _find_pictures(path: Path) -> list[Path]:
    """Return the pictures in a folder and its subfolders, in order; for a file or an empty folder, only the path."""
    from appliance.camera.source import PICTURE_SUFFIXES

    if not path.is_dir():
        return [path]
    found = [
        Path(folder, name)
        for folder, _, names in os.walk(path)
        for name in names
        if Path(name).suffix.lower() in PICTURE_SUFFIXES and not name.startswith(".")
    ]
    return sorted(found) or [path]


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

    if picture.is_dir():
        return _PictureResult(picture, error=f"{picture} contains no pictures")
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
    if result.error is not None:
        print_message(result.error)
        return
    lines = [f"  {item.score:.3f}  {item.label}" for item in result.labels]
    print_lines([clean_text(str(result.picture), _MAX_NAME), *(lines or [f"  nothing  (best: {result.best})"])])


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
