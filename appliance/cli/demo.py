"""Shows the whole appliance on drawn scenes and a broker of its own.

Each line is an event that came back from the broker.
"""

import argparse

from appliance.cli import DONE, FAILED
from appliance.errors import UsageError

EXAMPLE = "example: appliance demo --seconds 20"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommand's own arguments."""
    parser.add_argument(
        "--seconds", type=float, default=30, metavar="N", help="how long; 0: until Ctrl-C (default: 30)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the demo; status 1 when not a single event arrived."""
    from appliance.demo.run import run_demo

    if not 0 <= arguments.seconds < float("inf"):
        raise UsageError(f"--seconds must be 0 or more, not {arguments.seconds:g}")
    arrived = run_demo(arguments.seconds, lambda line: print(line, flush=True))
    print(f"{arrived} events arrived from the broker.", flush=True)
    return DONE if arrived else FAILED
