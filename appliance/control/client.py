"""Send one request to a running daemon over its control socket."""

import contextlib
import grp
import json
import socket
import time
from pathlib import Path
from typing import Any

from appliance.control.wire import MAX_ANSWER_BYTES, LineReader, encode_message, open_socket_address
from appliance.errors import ControlError, DaemonAbsentError


def ask(path: Path, request: dict[str, Any], timeout_s: float = 10.0) -> dict[str, Any]:
    """Asks the running daemon and returns its answer.

    Args:
        path: The socket's path, see places.control_socket().
        request: One JSON object.
        timeout_s: For all of it.

    Raises:
        DaemonAbsentError: No daemon is running.
        ControlError: The daemon said no (the sentence is its own), may not be asked, or did not answer in time.
    """
    deadline_s = time.monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            with open_socket_address(path) as address:
                connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
            raise DaemonAbsentError(
                f"no daemon is running (nobody listens on {path}); start it with: systemctl start appliance"
            ) from error
        except PermissionError as error:
            raise ControlError(f"this account may not ask the daemon; run the command {_who_may(path)}") from error
        except (TimeoutError, BlockingIOError) as error:
            raise ControlError(f"the daemon takes no more commands at {path}; try again, or see its log") from error
        except OSError as error:
            raise ControlError(
                f"the daemon cannot be asked at {path}: {error.strerror or error}; see the path"
            ) from error
        try:
            # A refusal can come before all was sent (and close the other end): what it says is still read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(encode_message(request))
            line = LineReader(connection, MAX_ANSWER_BYTES).next(deadline_s)
        except TimeoutError as error:
            raise ControlError(
                f"the daemon did not answer within {timeout_s:g} s; it may be at work yet: see its log"
            ) from error
        except (OSError, ValueError):
            line = None
    return _understood(line)


def _understood(line: bytes | None) -> dict[str, Any]:
    if line is None:
        raise ControlError("the daemon ended before it answered; see its log")
    try:
        answer = json.loads(line)
        if answer["ok"]:
            return answer["answer"]
        sentence = str(answer["error"])
    except (ValueError, KeyError, TypeError) as error:
        raise ControlError(
            "the daemon's answer is not understood; are the command and the daemon of one version?"
        ) from error
    raise ControlError(sentence)


def _who_may(path: Path) -> str:
    try:
        group = grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        return "as root"
    return f"as root or as a member of the group {group}"
