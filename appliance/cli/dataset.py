"""Check a dataset of pictures, write it in another format (folder, zip, CSV, JSONL), or import it into a folder.

`check` exits with status 1 if something must be corrected before training. `pack` copies, and never changes its input.
`import` adds the pictures to a folder with one folder per label, and leaves out those that are there already.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.cli.arguments import add_gs_argument, add_json_argument, parse_bytes, parse_output_path, parse_text
from appliance.cli.exit_status import ExitStatus
from appliance.cli.next_step import name_program, suggest_after_check, suggest_after_packing
from appliance.cli.output import ProgressLine, print_json, print_lines, print_message
from appliance.errors import ApplianceError, UsageError, suggest_install
from appliance.system.text_width import read_columns
from appliance.workshop.datasets.split_names import PACK_FORMATS, PACK_SPLITS

if TYPE_CHECKING:
    from appliance.workshop.datasets.dataset import Dataset

EXAMPLE = "example: appliance dataset check flowers.zip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `appliance dataset`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check",
        help="count the pictures of a dataset and find its problems",
        epilog="example: appliance dataset check flowers.zip",
    )
    pack = actions.add_parser(
        "pack",
        help="write a dataset as a folder, a zip, a CSV index or a JSONL index",
        epilog="example: appliance dataset pack flowers.zip --out flowers --form csv --split make --seed 1",
    )
    add = actions.add_parser(
        "import",
        help="add the pictures of a dataset to a folder with one folder per label, such as that of this device",
        epilog="example: appliance dataset import cups.zip --into dataset",
    )
    add.add_argument("--into", required=True, type=Path, metavar="FOLDER", help="the folder; created if it is missing")
    add.add_argument(
        "--max-bytes",
        type=parse_bytes,
        default=None,
        metavar="N",
        help="add at most N bytes of pictures (default: no limit)",
    )
    for action in (check, pack, add):
        action.add_argument(
            "dataset",
            type=Path,
            metavar="DATASET",
            help="a folder with one folder per label, a .zip of it, or an index (.csv, .tsv, .jsonl, .json)",
        )
        action.add_argument(
            "--rename",
            action="append",
            default=[],
            metavar="OLD=NEW",
            help="give a label another name, such as 'hot dog=hot_dog'; repeatable",
        )
        add_gs_argument(action)
        add_json_argument(action)
    _add_pack_arguments(pack)


def _add_pack_arguments(pack: argparse.ArgumentParser) -> None:
    pack.add_argument(
        "--out",
        required=True,
        type=parse_output_path,
        metavar="FILE|FOLDER",
        help="the .zip, or the folder for the other formats; must not exist yet",
    )
    pack.add_argument("--form", required=True, choices=PACK_FORMATS, help="the format to write")
    pack.add_argument(
        "--split",
        default="keep",
        choices=PACK_SPLITS,
        help="keep the existing splits (default), make missing ones (80, 10 and 10 %%), write none, or only one split",
    )
    pack.add_argument("--convert", action="store_true", help="write every picture as an upright JPEG without EXIF data")
    pack.add_argument(
        "--prefix",
        default="",
        type=parse_text,
        metavar="gs://BUCKET/FOLDER",
        help="what precedes the paths in a CSV or JSONL index (default: nothing, relative paths)",
    )
    pack.add_argument("--seed", type=int, default=0, metavar="N", help="the seed for making splits (default: 0)")


def run(arguments: argparse.Namespace) -> int:
    """Run the action; return the exit status."""
    try:
        from appliance.workshop.datasets.label_names import parse_renames, rename_labels
        from appliance.workshop.datasets.open import open_dataset, parse_gs_folders
    except ImportError as error:
        raise ApplianceError(f"datasets require more libraries ({error}); {suggest_install('workshop')}") from error

    renames = parse_renames(arguments.rename)
    if arguments.action == "pack" and arguments.prefix and arguments.form not in ("csv", "jsonl"):
        raise UsageError("--prefix is for --form csv and --form jsonl")
    is_zip = arguments.action == "pack" and arguments.form == "zip"
    if is_zip and arguments.out.suffix.lower() != ".zip" and not arguments.out.exists():
        raise UsageError(f"--out {arguments.out}: the name of a zip ends with .zip, such as {arguments.out.name}.zip")
    dataset = rename_labels(open_dataset(arguments.dataset, parse_gs_folders(arguments.gs)), renames)
    actions = {"check": _check, "pack": _pack, "import": _import}
    return actions[arguments.action](arguments, dataset)


def _check(arguments: argparse.Namespace, dataset: "Dataset") -> ExitStatus:
    from appliance.workshop.datasets.check import check_dataset
    from appliance.workshop.datasets.report_text import format_report
    from appliance.workshop.training.feature_cache import FeatureCache, default_cache_file

    with ProgressLine() as line:
        cache = FeatureCache(default_cache_file())
        report = check_dataset(dataset, line.make_counter("reading pictures"), cache)
    if arguments.json:
        print_json(report.as_dict())
    else:
        print_lines(format_report(report, read_columns(sys.stdout), name_program()))
        if report.is_trainable and not arguments.rename:
            print(suggest_after_check(arguments.dataset, arguments.gs), file=sys.stderr)
    return ExitStatus.FAILED if report.errors else ExitStatus.DONE


def _import(arguments: argparse.Namespace, dataset: "Dataset") -> ExitStatus:
    """Add the pictures; return 1 if a picture had to be left out."""
    from appliance.workshop.datasets.filing import file_pictures

    with ProgressLine() as line:
        result = file_pictures(dataset, arguments.into, arguments.max_bytes, line.make_counter("importing"))
    for reason in result.left_out:
        print_message(f"left out: {reason}")
    if arguments.json:
        print_json(
            {"added": list(result.added), "labeled": [list(pair) for pair in result.labeled], "known": result.known,
             "left_out": list(result.left_out)}
        )  # fmt: skip
    else:
        labeled = f", {len(result.labeled)} got a label" if result.labeled else ""
        known = f", {result.known} were there already" if result.known else ""
        print(f"{arguments.into}: {len(result.added)} added{labeled}{known}")
    return ExitStatus.FAILED if result.left_out else ExitStatus.DONE


def _pack(arguments: argparse.Namespace, dataset: "Dataset") -> ExitStatus:
    """Pack the dataset; return 1 if a picture had to be left out."""
    from appliance.workshop.datasets.pack import CSV_NAME, JSONL_NAME, PackOptions, pack_dataset

    with ProgressLine() as line:
        result = pack_dataset(
            dataset,
            arguments.out,
            arguments.form,
            arguments.split,
            arguments.seed,
            line.make_counter("packing"),
            PackOptions(arguments.convert, arguments.prefix),
        )
    for reason in result.left_out:
        print_message(f"left out: {reason}")
    if arguments.json:
        print_json({"out": str(result.out), "pictures": result.pictures, "left_out": list(result.left_out)})
    else:
        print(f"{result.out}: {result.pictures} picture{'' if result.pictures == 1 else 's'}")
        index = {"csv": CSV_NAME, "jsonl": JSONL_NAME}.get(arguments.form)
        if not arguments.prefix and dataset.examples:
            print_lines([suggest_after_packing(result.out, index)])
    return ExitStatus.FAILED if result.left_out else ExitStatus.DONE
