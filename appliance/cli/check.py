"""Check settings, camera, model, broker, page, update source, disk and clock, and report what to do about problems.

If the daemon is running, it uses the camera, so the age of its newest frame is reported instead. With --config, what
FILE configures differently from the running daemon is checked as FILE states it.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from appliance.cli.arguments import add_config_argument, add_json_argument
from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json
from appliance.system.foreign_text import clean_text
from appliance.system.text_layout import wrap_to_width
from appliance.system.text_width import read_columns

if TYPE_CHECKING:
    from appliance.diagnostics.check import CheckResult

EXAMPLE = "example: appliance check --config my.toml"
_MAX_MESSAGE = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `appliance check`."""
    add_config_argument(parser)
    add_json_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line per part; return 1 if one of them does not work."""
    from appliance.diagnostics.check import check_device
    from appliance.settings.load import load_settings

    results = []
    columns = read_columns(sys.stdout) if sys.stdout.isatty() else None
    settings = load_settings(arguments.config)
    for result in check_device(settings, is_file_given=arguments.config is not None):
        results.append(result)
        if not arguments.json:
            print("\n".join(_format_result(result, columns)), flush=True)
    if arguments.json:
        print_json([result.as_dict() for result in results])
    return ExitStatus.DONE if all(result.is_ok for result in results) else ExitStatus.FAILED


def _format_result(result: "CheckResult", columns: int | None) -> list[str]:
    """Return the line of a part, wrapped beside its name if it goes to a terminal."""
    head = f"{result.state:<7} {result.part:<13} "
    line = head + clean_text(result.message, _MAX_MESSAGE)
    if columns is None:
        return [line]
    return wrap_to_width(line, columns, len(head))
