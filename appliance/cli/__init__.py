"""The command line: one module per subcommand, imported only when the subcommand runs.

A subcommand's module has EXAMPLE, `add_arguments(parser)` and `run(arguments) -> exit status`; it parses arguments,
calls one function and prints. Results go to standard output, messages for people to standard error. To add a
subcommand, write its module and add a line to COMMANDS.
"""

import argparse
import errno
import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from appliance import __version__
from appliance.cli.arguments import is_utf8, join_negative_values
from appliance.cli.exit_status import ExitStatus
from appliance.cli.output import print_json, print_message
from appliance.errors import (
    ApplianceError,
    OutputError,
    RuntimeMissingError,
    SettingsError,
    UsageError,
    describe_os_error,
)
from appliance.system.foreign_text import clean_text
from appliance.system.logs import configure_logging, is_json_log
from appliance.system.paths import find_instance_state

log = logging.getLogger("appliance")

COMMANDS = {
    "run": "run the daemon in the foreground",
    "demo": "run the whole appliance with drawn scenes and an embedded broker",
    "check": "check settings, camera, model, broker, update source, disk and clock",
    "web": "print a sign-in link to the page, and manage who may use it",
    "watch": "show what the device sees, in the terminal",
    "snapshot": "save the newest frame as the model sees it",
    "collect": "take pictures of one thing for training, into the dataset of this device",
    "label": "label pictures",
    "model": "show, list, install, roll back or update the models on this device",
    "bench": "measure the CPU time per frame, stage by stage",
    "dataset": "check, pack or import a dataset of pictures",
    "train": "train a model on your own labels",
    "evaluate": "measure the quality of a model, and set its threshold",
    "publish": "publish models for devices to download",
    "clear-topics": "clear everything that this device has retained on the broker",
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
    wants_json = "--json" in argv
    try:
        return _run_command(argv)
    except _ArgumentsError as error:
        if wants_json:
            print_json({"error": str(error)})
        sys.stderr.write(f"{error.usage}{error.program}: error: {error}\n")
        raise SystemExit(ExitStatus.WRONG_USAGE) from None
    except (OutputError, BrokenPipeError):
        raise
    except ApplianceError as error:
        log.debug("traceback of the error", exc_info=error)
        _report(str(error), wants_json)
        return _find_status(error)
    except KeyboardInterrupt:
        if wants_json:
            print_json({"error": "interrupted"})
        return ExitStatus.INTERRUPTED
    except OSError as error:  # of a file that no command expects, for example because its name is too long
        log.debug("traceback of the error", exc_info=error)
        _report(_describe_file_error(error), wants_json)
        return ExitStatus.FAILED
    except Exception as error:
        if not _report_bug(error, wants_json):
            raise
        return ExitStatus.FAILED


def _run_command(argv: Sequence[str]) -> int:
    parser = _make_parser(argv)
    arguments = parser.parse_args(join_negative_values(argv))
    if not arguments.command:
        parser.print_help()
        return ExitStatus.WRONG_USAGE
    configure_logging("debug" if arguments.verbose else "info" if arguments.command == "run" else "warning")
    # The settings of a further camera (appliance@NAME) stand for its service: its models, its state, its socket.
    if state := find_instance_state(getattr(arguments, "config", None)):
        os.environ["APPLIANCE_STATE_DIR"] = str(state)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except UnicodeEncodeError as error:
        if is_utf8(error.object):
            raise
        named = next((clean_text(word, 80) for word in argv if not is_utf8(word)), "the name of a file")
        raise ApplianceError(f"{named} is not UTF-8; give the file or folder another name") from error


def _report(reason: str, wants_json: bool) -> None:
    """Report why a command failed: in the form of the log, and for --json as an object."""
    if is_json_log():
        log.critical("%s", reason)
    else:
        print_message(reason)
    if wants_json:
        print_json({"error": reason})


def _describe_file_error(error: OSError) -> str:
    """Return the system's error with the file that it is about, and the remedy."""
    remedies = {
        errno.ENAMETOOLONG: "give a shorter name",
        errno.EACCES: "choose a file or folder that this account may use, or run the command with sudo",
        errno.EPERM: "choose a file or folder that this account may use, or run the command with sudo",
        errno.ENOSPC: "free disk space",
        errno.EDQUOT: "free disk space",
        errno.EROFS: "choose a folder on a disk that can be written",
        errno.EIO: "check the disk and its log: dmesg",
        errno.EMFILE: "raise the limit of open files: ulimit -n",
    }
    remedy = remedies.get(error.errno or 0, "run the command again with -v for details")
    named = "" if error.filename is None else f"{clean_text(os.fsdecode(error.filename), 80)}: "
    return f"{named}{describe_os_error(error)}; {remedy}"


def _report_bug(error: Exception, wants_json: bool) -> bool:
    """Report an unexpected error in the form that the output has; return False if that is plain text."""
    if not (wants_json or is_json_log()):
        return False
    log.critical("the command failed unexpectedly; report this as a bug", exc_info=error)
    if wants_json:
        print_json({"error": f"the command failed unexpectedly: {type(error).__name__}: {error}"})
    return True


def _find_status(error: ApplianceError) -> ExitStatus:
    # Another attempt does not help without a runtime either, so systemd must not restart the service.
    if isinstance(error, SettingsError | RuntimeMissingError):
        return ExitStatus.WRONG_SETTINGS
    return ExitStatus.WRONG_USAGE if isinstance(error, UsageError) else ExitStatus.FAILED


class _ArgumentsError(UsageError):
    """The arguments are invalid.

    Attributes:
        usage: The usage of the subcommand, with its line feed.
        program: The name of the program and its subcommand.
    """

    def __init__(self, reason: str, usage: str, program: str):
        super().__init__(reason)
        self.usage, self.program = usage, program


class _Parser(argparse.ArgumentParser):
    """A parser that raises invalid arguments, so that --json can report them too."""

    def error(self, message: str) -> NoReturn:
        raise _ArgumentsError(message, self.format_usage(), self.prog)


def _make_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser; only the module of the requested subcommand is imported."""
    parser = _Parser(
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
            module = importlib.import_module(f"appliance.cli.{_module_name(name)}")
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


def _module_name(command: str) -> str:
    """Return the name of a subcommand's module."""
    return command.replace("-", "_")


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
