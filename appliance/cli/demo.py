"""Run the whole appliance with drawn scenes and an embedded broker; a newer model replaces the first while it runs.

Each line is an event that arrived from the broker.
"""

import argparse

from appliance.cli.exit_status import ExitStatus
from appliance.cli.next_step import suggest_after_demo
from appliance.cli.output import print_lines
from appliance.errors import UsageError

EXAMPLE = "example: appliance demo --seconds 20"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `appliance demo`."""
    parser.add_argument(
        "--seconds", type=float, default=30, metavar="N", help="how long to run; 0 to run until Ctrl-C (default: 30)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; return 1 if no event arrived."""
    from appliance.demo.run import run_demo

    if not 0 <= arguments.seconds < float("inf"):
        raise UsageError(f"--seconds must be 0 or more, not {arguments.seconds:g}")
    events = run_demo(arguments.seconds, lambda line: print_lines([line]))
    print_lines([f"{events} events arrived from the broker.", *(suggest_after_demo() if events else [])])
    return ExitStatus.DONE if events else ExitStatus.FAILED
