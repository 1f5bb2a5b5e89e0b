"""The options that state how a picture becomes a model's input: --input-range, --input-mean, --resize, and others."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.cli.output import print_message
from appliance.errors import UsageError
from appliance.system.foreign_text import clean_text

if TYPE_CHECKING:
    from appliance.bundle.bundle import Bundle
    from appliance.bundle.input_spec import DeclaredInput

_MAX_COMMAND_CHARS = 4096


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group("input of the model", "for models that do not state it")
    group.add_argument(
        "--input-range", type=_parse_range, metavar="LOW..HIGH", help="the values of black and white, such as 0..255"
    )
    group.add_argument(
        "--input-mean", type=_parse_numbers, metavar="M[,M,M]", help="with --input-std: (pixel - mean) / std is fed"
    )
    group.add_argument("--input-std", type=_parse_numbers, metavar="S[,S,S]", help="see --input-mean")
    group.add_argument("--channel-order", choices=("RGB", "BGR"), help="the order of the colors (default: RGB)")
    group.add_argument(
        "--resize",
        choices=("stretch", "crop", "letterbox"),
        help="change the proportions (default), keep the center, or add black bars",
    )


def parse_declared_input(arguments: argparse.Namespace) -> "DeclaredInput":
    """Return what the options state.

    Raises:
        UsageError: Two options contradict each other, or one is missing.
    """
    from appliance.bundle.input_spec import ChannelOrder, DeclaredInput, ResizeMode, check_normalization, convert_range

    mean, std = arguments.input_mean, arguments.input_std
    if (mean is None) != (std is None):
        raise UsageError("--input-mean and --input-std must be given together")
    if arguments.input_range is not None:
        if mean is not None:
            raise UsageError("--input-range and --input-mean are mutually exclusive; use one of them")
        mean, std = convert_range(*arguments.input_range)
    if mean is not None and (error := check_normalization(mean, std)):
        raise UsageError(f"--input-mean and --input-std: {error}")
    return DeclaredInput(
        mean,
        std,
        ChannelOrder(arguments.channel_order) if arguments.channel_order else None,
        ResizeMode(arguments.resize) if arguments.resize else None,
    )


def read_bundle_as_declared(path: Path, arguments: argparse.Namespace) -> "Bundle":
    """Read a bundle, with the statements of the options in place of its own.

    Raises:
        BundleError: The bundle is rejected.
        UsageError: The options contradict each other.
    """
    from appliance.bundle.bundle import read_bundle

    parse_declared_input(arguments)  # wrong usage is reported before the bundle is read
    return declare_input(read_bundle(path), arguments)


def declare_input(bundle: "Bundle", arguments: argparse.Namespace) -> "Bundle":
    """Return a bundle with the statements of the options in place of its own.

    Raises:
        UsageError: The options contradict each other.
    """
    from appliance.bundle.input_spec import override

    return replace(bundle, input=override(bundle.input, parse_declared_input(arguments)))


def warn_of_assumption(bundle: "Bundle", source: str, doubt: str | None = None) -> None:
    """Print a warning about the assumed input range of a bundle, and the commands to try.

    Args:
        bundle: The bundle.
        source: How to refer to it in a command.
        doubt: Why the range is doubtful, if it is.
    """
    from appliance.labeling.input_check import list_range_commands

    print_message(
        f"{bundle.identity.name} does not state the range of its input, so -1..1 is assumed"
        + (f", and {doubt}" if doubt else "")
        + "; if it labels wrongly, compare the ranges, then install it with the right one:"
    )
    for command in list_range_commands(source):
        print(
            f"  {clean_text(command, _MAX_COMMAND_CHARS)}", file=sys.stderr
        )  # without a prefix, so that it can be copied


def _parse_range(text: str) -> tuple[float, float]:
    from appliance.bundle.input_spec import convert_range

    low, _, high = text.replace("−", "-").partition("..")
    try:
        limits = float(low), float(high)
        convert_range(*limits)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a range such as 0..255, 0..1 or -1..1") from None
    return limits


def _parse_numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, or three numbers separated by commas") from None
