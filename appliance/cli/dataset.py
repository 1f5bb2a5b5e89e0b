"""Looks over a folder, zip or CSV index of pictures for training, or writes it in another of these forms.

`check` exits 1 where something must be mended before training. `pack` copies, and never changes what it reads.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from appliance.cli import DONE, FAILED
from appliance.cli.arguments import add_gs, counting_line

EXAMPLE = "example: appliance dataset check flowers.zip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommand's own arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check",
        help="what is in a dataset, and what is wrong with it",
        epilog="example: appliance dataset check flowers.zip",
    )
    pack = actions.add_parser(
        "pack", help="write a dataset as a zip, a folder or a CSV index",
        epilog="example: appliance dataset pack flowers.zip --out flowers --form csv --split make --seed 1",
    )  # fmt: skip
    for action in (check, pack):
        action.add_argument(
            "dataset",
            type=Path,
            metavar="DATASET",
            help="a folder with one folder a label, a .zip of it, or a .csv index",
        )
        add_gs(action)
    pack.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="FILE|FOLDER",
        help="a .zip for zip, else a folder; must not exist yet",
    )
    pack.add_argument("--form", required=True, choices=("zip", "folder", "csv"), help="what to write")
    pack.add_argument(
        "--split", default="keep", choices=("keep", "make", "none", "train", "validation", "test"),
        help="keep the splits there are (default), make the missing ones (80, 10 and 10 %%), none, or one split alone",
    )  # fmt: skip
    pack.add_argument("--seed", type=int, default=0, metavar="N", help="another one makes other splits (default: 0)")
    for action in (check, pack):
        action.add_argument("--json", action="store_true", help="print one JSON value")


def run(arguments: argparse.Namespace) -> int:
    """Carries the action out."""
    from appliance.workshop.datasets.open import gs_folders, open_dataset

    dataset = open_dataset(arguments.dataset, gs_folders(arguments.gs))
    return _check(arguments, dataset) if arguments.action == "check" else _pack(arguments, dataset)


def _check(arguments: argparse.Namespace, dataset: Any) -> int:
    from appliance.workshop.datasets.check import check
    from appliance.workshop.datasets.report_text import lines

    report = check(dataset, counting_line("reading pictures", 20))
    print(json.dumps(report.as_json(), ensure_ascii=False, indent=2) if arguments.json else "\n".join(lines(report)))
    return FAILED if report.errors else DONE


def _pack(arguments: argparse.Namespace, dataset: Any) -> int:
    """Status 1 where a picture had to be left out."""
    from appliance.workshop.datasets.pack import pack

    packed = pack(dataset, arguments.out, arguments.form, arguments.split, arguments.seed, counting_line("packing", 20))
    for sentence in packed.left_out:
        print(f"appliance: left out: {sentence}", file=sys.stderr)
    if arguments.json:
        value = {"out": str(packed.out), "pictures": packed.pictures, "left_out": list(packed.left_out)}
        print(json.dumps(value, ensure_ascii=False, indent=2))
    else:
        print(f"{packed.out}: {packed.pictures} picture{'' if packed.pictures == 1 else 's'}")
    return FAILED if packed.left_out else DONE
