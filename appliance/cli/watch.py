"""Show what the running device sees, in the terminal: the labels with their scores as bars, the camera and the model.

It asks the running daemon, without a broker. On a machine without an installed service, or with --local, the command
opens the camera and runs the model itself. Ctrl-C ends it.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from appliance.cli.exit_status import ExitStatus
from appliance.cli.live_source import LiveSource, add_source_arguments, ask_daemon, choose_source
from appliance.cli.observation_text import format_line, format_screen
from appliance.cli.streams import write_controls
from appliance.errors import ControlAccessError, ControlError
from appliance.system.text_width import read_columns, read_rows

EXAMPLE = "example: appliance watch --local --config my.toml"

_REDRAW_EVERY_S = 0.25
# Lines that do not replace each other, in a file or a pipe, are written less often.
_PRINT_EVERY_S = 1.0

Observe = Callable[[], dict[str, Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `appliance watch`."""
    add_source_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the newest labels until Ctrl-C."""
    source = choose_source(arguments)
    is_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    with _open_observer(source) as observe, contextlib.suppress(KeyboardInterrupt):
        if is_terminal:
            _redraw(observe)
        else:
            _print_lines(observe)
    return ExitStatus.DONE


@contextlib.contextmanager
def _open_observer(source: LiveSource) -> Iterator[Observe]:
    """Yield a function that returns the newest observation."""
    if source.is_daemon:
        yield _ask_patiently
        return
    from appliance.diagnostics.local_device import LocalDevice

    with LocalDevice(source.settings) as device:
        yield device.observe


def _ask_patiently() -> dict[str, Any]:
    """Return the daemon's observation; one with only the reason while it does not answer, for example at a restart."""
    from appliance.control.protocol import ControlCommand

    try:
        return ask_daemon(ControlCommand.OBSERVE)
    except ControlAccessError:
        raise
    except ControlError as error:
        return {"trouble": str(error)}


def _redraw(observe: Observe) -> None:
    """Draw each observation over the previous one."""
    drawn = 0
    while True:
        columns, rows = read_columns(sys.stdout), read_rows(sys.stdout)
        # A full last row or column would scroll the terminal, and the lines above could not be replaced any more.
        lines = format_screen(observe(), columns - 1, rows - 1)
        up = f"\033[{drawn}A" if drawn else ""
        write_controls(sys.stdout, f"{up}\r" + "".join(f"{line}\033[K\n" for line in lines) + "\033[J")
        drawn = len(lines)
        time.sleep(_REDRAW_EVERY_S)


def _print_lines(observe: Observe) -> None:
    """Print a line for each new frame, or for each new reason why there is none."""
    previous = None
    while True:
        observation = observe()
        line = format_line(observation)
        key = (observation.get("frame") or {}).get("number") or line
        if key != previous:
            print(line, flush=True)
            previous = key
        time.sleep(_PRINT_EVERY_S)
