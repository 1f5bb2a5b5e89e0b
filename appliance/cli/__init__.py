"""The command line: one module per subcommand, imported only when the subcommand runs.

A subcommand's module has EXAMPLE, `add_arguments(parser)` and `run(arguments) -> exit status`; it parses arguments,
calls one function and prints. Results go to standard output, messages for people to standard error. To add a
subcommand, write its module and add a line to COMMANDS.
"""

import argparse
import importlib
import logging
import sys
from collections.abc import Callable, Iterable, Sequence

from appliance import __version__
from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_message
from appliance.errors import ApplianceError, SettingsError, UsageError
from appliance.system.logs import configure_logging

COMMANDS = {
    "run": "run the daemon in the foreground",
    "demo": "run the whole appliance with drawn scenes and an embedded broker",
    "check": "check settings, camera, model, broker, update source, disk and clock",
    "label": "label pictures",
    "model": "show, list, install, roll back or update the models on this device",
    "bench": "measure the CPU time per frame, stage by stage",
    "dataset": "check or pack a dataset of pictures",
    "train": "train a model on your own labels",
    "evaluate": "measure the quality of a model, and set its threshold",
    "publish": "publish models for devices to download",
    "help": "show the manual, topic by topic",
}
"""The purpose of each subcommand, which is defined in the module `appliance.cli.NAME`."""

_EXAMPLE = "example: appliance label picture.jpg"


def main(argv: Sequence[str]) -> int:
    """Run one subcommand.

    Args:
        argv: The arguments without the program name.

    Returns:
        The exit status.
    """
    parser = _make_parser(argv)
    arguments = parser.parse_args(argv)
    if not arguments.command:
        parser.print_help()
        return ExitStatus.WRONG_USAGE
    configure_logging("debug" if arguments.verbose else "info" if arguments.command == "run" else "warning")
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except ApplianceError as error:
        logging.getLogger("appliance").debug("traceback of the error", exc_info=error)
        print_message(str(error))
        return _find_status(error)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of standard output has exited (`| head`); keep Python from printing an error
        return ExitStatus.FAILED
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED


def _find_status(error: ApplianceError) -> ExitStatus:
    if isinstance(error, SettingsError):
        return ExitStatus.WRONG_SETTINGS
    return ExitStatus.WRONG_USAGE if isinstance(error, UsageError) else ExitStatus.FAILED


def _make_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser; only the module of the requested subcommand is imported."""
    parser = argparse.ArgumentParser(
        prog="appliance",
        description="Label the pictures of a camera with TFLite, and publish the labels over MQTT.",
        epilog=f"{_EXAMPLE}; the manual: appliance help",
    )
    parser.add_argument("--version", action="version", version=f"camera-appliance {__version__}")
    _add_verbose(parser, False)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    requested = next((word for word in argv if word in COMMANDS), None)
    for name, purpose in COMMANDS.items():
        if name == requested:
            module = importlib.import_module(f"appliance.cli.{name}")
            description = (module.__doc__ or purpose).splitlines()[0]
            subparser = subparsers.add_parser(name, help=purpose, description=description, epilog=module.EXAMPLE)
            _add_verbose(subparser, argparse.SUPPRESS)
            module.add_arguments(subparser)
            for action_parser in _find_action_parsers(subparser):
                _add_verbose(action_parser, argparse.SUPPRESS)
            subparser.set_defaults(run=module.run)
        else:
            subparsers.add_parser(name, help=purpose)
    return parser


def _find_action_parsers(parser: argparse.ArgumentParser) -> Iterable[argparse.ArgumentParser]:
    """Return the parsers of a subcommand's actions, such as `model list`; argparse has no public way to get them."""
    return (
        action_parser
        for action in parser._actions  # noqa: SLF001 - see above
        if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001 - see above
        for action_parser in action.choices.values()
    )


def _add_verbose(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument("-v", "--verbose", action="store_true", default=default, help="log more details")
