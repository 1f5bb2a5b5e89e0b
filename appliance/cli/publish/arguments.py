"""Make the argument groups that several actions of `appliance publish` share, as parent parsers of argparse."""

import argparse
from pathlib import Path

from appliance.cli.arguments import add_json_argument
from appliance.errors import UsageError

DEFAULT_CHANNEL = "stable"


def make_site_parser(
    help_text: str = "the folder that is uploaded", *, site_required: bool = True, keys_required: bool = True
) -> argparse.ArgumentParser:
    """Return a parser with --site, --keys and --root-keys.

    Args:
        help_text: The help of --site.
        site_required: Whether --site must be given.
        keys_required: Whether --keys must be given.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--site", required=site_required, metavar="SITE", help=help_text)
    parser.add_argument(
        "--keys", type=Path, required=keys_required, metavar="DIR", help="the folder with the keys of this site"
    )
    parser.add_argument(
        "--root-keys",
        type=Path,
        metavar="DIR",
        help="the folder with the root key (default: the subfolder root of --keys)",
    )
    return parser


def make_served_parser() -> argparse.ArgumentParser:
    """Return a parser with --served."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--served",
        metavar="URL",
        help="where devices get the site, an address or a folder; it is compared first (default: the last one; "
        "none: forget it)",
    )
    return parser


def make_signing_parser() -> argparse.ArgumentParser:
    """Return a parser with --served, --passphrase-file, --days and --trust-clock, which every action that signs has."""
    parser = argparse.ArgumentParser(add_help=False, parents=[make_served_parser()])
    parser.add_argument("--trust-clock", action="store_true", help="sign although the time of this machine looks wrong")
    parser.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="a file with the passphrase of the keys (default: ask)"
    )
    parser.add_argument(
        "--days", type=int, default=90, metavar="N", help="how long the signatures are valid (default: 90)"
    )
    return parser


def make_channel_parser() -> argparse.ArgumentParser:
    """Return a parser with --channel."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--channel", default=DEFAULT_CHANNEL, metavar="NAME", help=f"the channel (default: {DEFAULT_CHANNEL})"
    )
    return parser


def make_percent_parser() -> argparse.ArgumentParser:
    """Return a parser with --percent."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--percent", type=float, metavar="P", help="the percentage of devices that get the model (default: all)"
    )
    return parser


def make_json_parser() -> argparse.ArgumentParser:
    """Return a parser with --json."""
    parser = argparse.ArgumentParser(add_help=False)
    add_json_argument(parser)
    return parser


def check_percent(arguments: argparse.Namespace) -> float | None:
    """Return --percent, 0–100; None if it is not given.

    Raises:
        UsageError: The value is out of range.
    """
    percent: float | None = arguments.percent
    if percent is not None and not 0 <= percent <= 100:
        raise UsageError(f"--percent must be from 0 to 100, not {percent:g}")
    return percent
