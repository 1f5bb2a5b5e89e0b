"""Labels pictures with the device's model, or with a bundle of your own.

Directories are not walked: name the pictures. One that cannot be read is said and the others are still labeled.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from appliance.cli import DONE, FAILED
from appliance.errors import ModelError, PictureError, UsageError

EXAMPLE = "example: appliance label rose.jpg tulip.jpg --threshold 0.3"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommand's own arguments."""
    parser.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE")
    parser.add_argument(
        "--model", type=Path, metavar="BUNDLE", help="a folder, .zip or .tflite (default: this device's model)"
    )
    parser.add_argument(
        "--threshold", type=float, metavar="T", help="only scores of T or more (default: the model's own)"
    )
    parser.add_argument(
        "--max-results", type=int, default=-1, metavar="N", help="at most N labels a picture (default: all)"
    )
    parser.add_argument(
        "--allow", action="append", default=[], metavar="LABEL", help="only this label; may be given again"
    )
    parser.add_argument(
        "--deny", action="append", default=[], metavar="LABEL", help="never this label; may be given again"
    )
    parser.add_argument("--region", type=_region, metavar="X,Y,W,H", help="only this part, in fractions of the picture")
    parser.add_argument("--json", action="store_true", help="print one JSON list")


def run(arguments: argparse.Namespace) -> int:
    """Labels every picture; status 1 when one could not be read."""
    from appliance.bundle.bundle import read_bundle
    from appliance.daemon.active_model import device_bundle
    from appliance.imaging.view import View
    from appliance.labeling.label_filter import LabelFilter
    from appliance.labeling.labeler import Labeler

    settings = _labeler_settings(arguments)
    bundle = read_bundle(arguments.model) if arguments.model else device_bundle()
    labeler = Labeler(bundle, view=View(region=arguments.region))
    label_filter = LabelFilter(bundle, settings)
    entries = [_entry(picture, labeler, label_filter) for picture in arguments.pictures]
    if arguments.json:
        json.dump(
            [{k: v for k, v in entry.items() if k != "best"} for entry in entries],
            sys.stdout,
            ensure_ascii=False,
            indent=2,
        )
        print()
    else:
        for entry in entries:
            _print(entry)
    return FAILED if any("error" in entry for entry in entries) else DONE


def _labeler_settings(arguments: argparse.Namespace) -> Any:
    from appliance.settings.schema import LabelerSettings

    if arguments.threshold is not None and not 0 <= arguments.threshold <= 1:
        raise UsageError(f"--threshold must be from 0 to 1, not {arguments.threshold:g}")
    if arguments.max_results != -1 and arguments.max_results < 1:
        raise UsageError(f"--max-results must be 1 or more, or -1 for all, not {arguments.max_results}")
    if arguments.allow and arguments.deny:
        raise UsageError("--allow and --deny exclude each other: give one of the two")
    return LabelerSettings(
        threshold=arguments.threshold,
        max_results=arguments.max_results,
        allow=tuple(arguments.allow),
        deny=tuple(arguments.deny),
    )


def _entry(picture: Path, labeler: Any, label_filter: Any) -> dict[str, Any]:
    from appliance.imaging.files import read_picture

    identity = labeler.identity
    entry: dict[str, Any] = {
        "picture": str(picture),
        "model": identity.as_dict(),
    }
    try:
        scores = labeler.scores(read_picture(picture))
    except (PictureError, ModelError) as error:
        return entry | {"error": str(error)}
    labels = label_filter.select(scores)
    reportable = label_filter.masked(scores)
    best = int(reportable.argmax())
    return entry | {
        "labels": [{"label": item.label, "score": round(item.score, 6), "index": item.index} for item in labels],
        "inference_ms": round(labeler.inference_ms, 3),
        "best": f"{labeler.labels[best]} {reportable[best]:.2f}, below the threshold of {label_filter.thresholds[best]:.2f}",
    }


def _print(entry: dict[str, Any]) -> None:
    print(entry["picture"])
    if "error" in entry:
        print(f"appliance: {entry['error']}", file=sys.stderr)
        return
    for item in entry["labels"]:
        print(f"  {item['score']:.3f}  {item['label']}")
    if not entry["labels"]:
        print(f"  nothing  (best: {entry['best']})")


def _region(text: str) -> tuple[float, float, float, float]:
    from appliance.settings.checks import region_fault

    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not X,Y,W,H, four numbers from 0 to 1") from None
    if wrong := region_fault((x, y, width, height)):
        raise argparse.ArgumentTypeError(wrong)
    return x, y, width, height
