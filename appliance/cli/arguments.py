"""Add and check arguments that several subcommands share."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from appliance.errors import UsageError
from appliance.system.foreign_text import clean_text

_MAX_DIGITS = 18
_SHOWN_CHARACTERS = 80


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Add --config, the settings file."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the settings file (default: /etc/appliance/appliance.toml)"
    )


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print one JSON value on standard output and nothing else")


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Add --model, a bundle that replaces this device's model."""
    parser.add_argument(
        "--model",
        type=Path,
        metavar="BUNDLE",
        help="a folder, .zip or .tflite; or bundled:general, bundled:flowers (default: this device's model)",
    )


def add_gs_argument(parser: argparse.ArgumentParser) -> None:
    """Add --gs, which maps the bucket of gs:// addresses in a CSV index to a local folder."""
    parser.add_argument(
        "--gs",
        action="append",
        default=[],
        metavar="gs://BUCKET=DIR",
        help="the local copy of a bucket to which the CSV index refers; repeatable",
    )


def join_negative_values(argv: Sequence[str]) -> list[str]:
    """Join an option and a value such as -1..1, which argparse would take for an option: --input-range=-1..1."""
    joined: list[str] = []
    for word in argv:
        if joined and re.fullmatch(r"-\d.*", word) and re.fullmatch(r"--[a-z-]+", joined[-1]):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def parse_text(text: str) -> str:
    """Parse a text that is written into a file; the terminal may give bytes that are not UTF-8."""
    if not is_utf8(text):
        raise argparse.ArgumentTypeError(f"{clean_text(text, _SHOWN_CHARACTERS)} is not UTF-8; use another name")
    return text


def parse_output_path(text: str) -> Path:
    """Parse the path of a file or folder to write, whose name becomes part of its content."""
    return Path(parse_text(text))


def is_utf8(text: str) -> bool:
    """Return whether a text can be written as UTF-8; a name from the file system may contain other bytes."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def parse_whole_number(text: str, least: int, most: int, description: str) -> int:
    """Parse a whole number in decimal digits.

    Args:
        text: The argument.
        least: The smallest number that is accepted.
        most: The largest number that is accepted.
        description: What the argument must be, for the error.
    """
    # Python refuses to convert thousands of digits.
    if not (text.isascii() and text.isdecimal()) or len(text) > _MAX_DIGITS or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{clean_text(text, _SHOWN_CHARACTERS)!r} is not {description}")
    return int(text)


def parse_bytes(text: str) -> int:
    """Parse a number of bytes, at least 1."""
    return parse_whole_number(text, 1, 10**_MAX_DIGITS, "a number of bytes, such as 500000000")


def parse_fraction(text: str) -> float:
    """Parse a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1") from None
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


def require_valid_seed(seed: int) -> None:
    """Check --seed.

    Raises:
        UsageError: The seed is negative.
    """
    if seed < 0:
        raise UsageError(f"--seed must be 0 or more, not {seed}")
