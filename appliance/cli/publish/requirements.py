"""Read what an entry of a channel requires of devices from the command-line arguments."""

import argparse
import re
from typing import TYPE_CHECKING

from appliance.errors import ChannelError, UsageError

if TYPE_CHECKING:
    from appliance.repository.requirements import Requirements


def add_requirement_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that restrict a push to devices that fit."""
    group = parser.add_argument_group("only for devices that fit; the others skip this model and report it")
    group.add_argument("--requires-memory", type=float, metavar="MB", help="the least memory of the machine, in MB")
    group.add_argument("--requires-board", metavar="NAME", help="a part of the board's name, such as 'Raspberry Pi 5'")
    group.add_argument(
        "--requires-input", metavar="WxH", help="the smallest frame of the camera in pixels, such as 320x320"
    )


def make_requirements(arguments: argparse.Namespace) -> "Requirements | None":
    """Return the requirements; None if there are none.

    Raises:
        UsageError: A value is not possible.
    """
    from appliance.repository.requirements import parse_requirements

    values = {"memory_mb": arguments.requires_memory, "board": arguments.requires_board}
    if (size := arguments.requires_input) is not None:
        match = re.fullmatch(r"([0-9]{1,6})[x×,]([0-9]{1,6})", size)
        if match is None:
            raise UsageError(f"--requires-input must be WIDTHxHEIGHT, such as 320x320, not {size!r}")
        values["input"] = [int(match[2]), int(match[1])]
    try:
        return parse_requirements({key: value for key, value in values.items() if value is not None})
    except ChannelError as error:
        raise UsageError(f"{error}; correct --requires-memory, --requires-board, or --requires-input") from error
