"""Check settings, camera, model, broker, update source, disk and clock, and report what to do about problems.

If the daemon is running, it uses the camera, so the age of its newest frame is reported instead.
"""

import argparse

from appliance.cli.arguments import add_config_argument, add_json_argument
from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json

EXAMPLE = "example: appliance check --config my.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `appliance check`."""
    add_config_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line per part; return 1 if one of them does not work."""
    from appliance.diagnostics.check import check_device
    from appliance.settings.load import load_settings

    results = []
    for result in check_device(load_settings(arguments.config)):
        results.append(result)
        if not arguments.json:
            print(f"{result.state:<7} {result.part:<13} {result.message}", flush=True)
    if arguments.json:
        print_json([result.as_dict() for result in results])
    return ExitStatus.DONE if all(result.is_ok for result in results) else ExitStatus.FAILED
