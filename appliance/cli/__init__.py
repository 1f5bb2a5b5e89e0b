"""The command line: one module a subcommand, imported only when it runs.

A subcommand's module has `add_arguments(parser)` and `run(arguments) -> exit status`; it parses, calls one function
and prints. Results go to standard output, what is said to people to standard error.
"""

import argparse
import importlib
import logging
import sys
from collections.abc import Iterable, Sequence

from appliance import __version__
from appliance.errors import ApplianceError, SettingsError, UsageError
from appliance.system import logs as log

COMMANDS = {
    "run": "the daemon, in the foreground",
    "demo": "the whole appliance on drawn scenes and a broker of its own",
    "check": "says what works and what to do about the rest",
    "label": "labels pictures",
    "model": "the models on this device: show, list, install, rollback, check",
    "bench": "what a frame costs, stage by stage",
    "dataset": "checks and packs pictures for training",
    "train": "teaches a model your own labels",
    "evaluate": "says how good a model is, and sets its threshold",
    "publish": "puts models where devices fetch them",
}
DONE, FAILED, WRONG_USAGE, WRONG_SETTINGS = 0, 1, 2, 78

_EXAMPLE = "example: appliance label picture.jpg"


def main(argv: Sequence[str]) -> int:
    """Runs one subcommand; returns the exit status: 0 done, 1 not done, 2 wrong usage, 78 wrong settings."""
    parser = _parser(argv)
    arguments = parser.parse_args(argv)
    if not arguments.command:
        parser.print_help()
        return WRONG_USAGE
    log.set_up("debug" if arguments.verbose else "info" if arguments.command == "run" else "warning")
    try:
        return arguments.run(arguments)
    except SettingsError as error:
        return _say(error, WRONG_SETTINGS)
    except UsageError as error:
        return _say(error, WRONG_USAGE)
    except ApplianceError as error:
        return _say(error, FAILED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away (`| head`): there is nobody left to tell
        return FAILED
    except KeyboardInterrupt:
        return 130


def _say(error: ApplianceError, status: int) -> int:
    logging.getLogger("appliance").debug("where it comes from", exc_info=error)
    print(f"appliance: {error}", file=sys.stderr)
    return status


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="appliance", description="A camera that labels what it sees and says so over MQTT.", epilog=_EXAMPLE
    )
    parser.add_argument("--version", action="version", version=f"camera-appliance {__version__}")
    _add_verbose(parser, False)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    wanted = next((word for word in argv if word in COMMANDS), None)
    for name, purpose in COMMANDS.items():
        if name == wanted:
            module = importlib.import_module(f"appliance.cli.{name}")
            sub = subparsers.add_parser(
                name, help=purpose, description=module.__doc__.splitlines()[0], epilog=module.EXAMPLE
            )
            _add_verbose(sub, argparse.SUPPRESS)
            module.add_arguments(sub)
            for action in _actions(sub):
                _add_verbose(action, argparse.SUPPRESS)
            sub.set_defaults(run=module.run)
        else:
            subparsers.add_parser(name, help=purpose)
    return parser


def _actions(parser: argparse.ArgumentParser) -> Iterable[argparse.ArgumentParser]:
    """The parsers of a subcommand's own actions (`model list`); argparse names them only in private."""
    return (
        sub
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for sub in action.choices.values()
    )


def _add_verbose(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument("-v", "--verbose", action="store_true", default=default, help="say more about what happens")
