"""What several subcommands share: an option of theirs, and a line that counts up."""

import argparse
import sys
from collections.abc import Callable


def add_gs(parser: argparse.ArgumentParser) -> None:
    """The option that says where the pictures of gs:// addresses lie here."""
    parser.add_argument(
        "--gs",
        action="append",
        default=[],
        metavar="gs://BUCKET=DIR",
        help="where a copy of the bucket is; may be given again",
    )


def counting_line(doing: str, every: int) -> Callable[[int, int], None]:
    """A line on standard error that says how many of how many are done, at each `every`th, where people look on."""
    if not sys.stderr.isatty():
        return lambda done, total: None

    def show(done: int, total: int) -> None:
        if done == total or done % every == 0:
            end = "\r\x1b[K" if done == total else ""
            print(f"\r{doing}: {done} of {total}{end}", end="", file=sys.stderr, flush=True)

    return show
