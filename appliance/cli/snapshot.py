"""Save the newest frame as the model sees it: upright, and only the region that is labeled.

The frame comes from the running daemon. On a machine without an installed service, or with --local, the command opens
the camera itself.
"""

import argparse
import base64
import binascii
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from appliance.cli.exit_status import ExitStatus
from appliance.cli.live_source import add_source_arguments, ask_daemon, choose_source
from appliance.cli.output import print_message
from appliance.cli.streams import write_bytes
from appliance.errors import ApplianceError, ControlError, describe_os_error

EXAMPLE = "example: appliance snapshot garden.jpg"

# An older frame does not show what the camera sees now.
_MAX_AGE_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `appliance snapshot`."""
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="the JPEG or the folder to write, or - for standard output (default: snapshot-TIME.jpg in this folder)",
    )
    add_source_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the frame and print the name of the file."""
    from appliance.control.protocol import ControlCommand

    source = choose_source(arguments)
    if source.is_daemon:
        jpeg = _decode_answer(ask_daemon(ControlCommand.FRAME))
    else:
        from appliance.diagnostics.local_device import capture_frame
        from appliance.imaging.files import encode_jpeg
        from appliance.imaging.view import View
        from appliance.labeling.preprocess import crop

        jpeg = encode_jpeg(crop(capture_frame(source.settings.camera), View.from_settings(source.settings.camera)))
    if str(arguments.file) == "-":
        write_bytes(sys.stdout, jpeg)
        return ExitStatus.DONE
    file = _write(arguments.file, jpeg)
    print(file)
    return ExitStatus.DONE


def _decode_answer(answer: dict[str, Any]) -> bytes:
    try:
        jpeg = base64.b64decode("".join(answer["jpeg"]), validate=True)
        age_s = float(answer["frame"]["age_s"])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise ControlError(
            "the daemon's answer cannot be understood; check that the command and the daemon have the same version"
        ) from error
    if age_s > _MAX_AGE_S:
        print_message(f"this frame is {age_s:.0f} s old; find out why no newer one arrives with: appliance check")
    return jpeg


def _write(file: Path | None, jpeg: bytes) -> Path:
    from appliance.system.atomic_files import write_atomically

    name = f"snapshot-{datetime.now().astimezone():%Y%m%d-%H%M%S}.jpg"
    if file is None or file.is_dir():
        file = (file or Path()) / name
    try:
        if file.exists() and not file.is_file():  # a device such as /dev/null must not be replaced by a file
            file.write_bytes(jpeg)
        else:
            write_atomically(file, jpeg, 0o640, durable=False)
    except OSError as error:
        raise ApplianceError(f"{file} cannot be written: {describe_os_error(error)}; name another FILE") from error
    return file
