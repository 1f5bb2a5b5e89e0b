"""Send one request to a running daemon over its control socket.

Texts in the answer are cleaned and bounded: they contain names of models and errors of servers, and the command may
run as root on a terminal.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.control.protocol import ANSWER_KEY, ERROR_KEY, OK_KEY
from appliance.control.wire import MAX_ANSWER_BYTES, LineReader, encode_message, open_socket_address
from appliance.errors import ControlAccessError, ControlError, DaemonAbsentError, describe_os_error
from appliance.system.foreign_text import clean_text
from appliance.system.paths import find_unit, suggest_access

# Longer than any sentence or path in an answer.
MAX_TEXT = 4096


def ask(path: Path, request: Mapping[str, Any], timeout_s: float = 10.0) -> dict[str, Any]:
    """Send a request to the running daemon and return the answer.

    Args:
        path: The socket's path, from paths.find_control_socket().
        request: One JSON object, from protocol.make_request().
        timeout_s: The total time for connecting, sending and receiving the answer.

    Raises:
        DaemonAbsentError: No daemon is running.
        ControlAccessError: This account may not contact the daemon.
        ControlError: The daemon refused (the text is the daemon's), or did not answer in time.
    """
    deadline_s = time.monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        _connect(connection, path)
        try:
            # The daemon may refuse and close the connection before everything is sent; its refusal is still read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(encode_message(request))
            line = LineReader(connection, MAX_ANSWER_BYTES).read_line(deadline_s)
        except TimeoutError as error:
            raise ControlError(
                f"the daemon did not answer within {timeout_s:g} s and may still be working; see its log"
            ) from error
        except (OSError, ValueError):
            line = None
    return _decode_answer(line)


def _connect(connection: socket.socket, path: Path) -> None:
    try:
        with open_socket_address(path) as address:
            connection.connect(address)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        unit = find_unit()
        start = f"sudo systemctl start {unit}" if unit else "appliance run"
        raise DaemonAbsentError(f"no daemon is running (nothing listens on {path}); start it with: {start}") from error
    except PermissionError as error:
        raise ControlAccessError(
            f"this account may not contact the daemon; {suggest_access(_find_closed(path))}"
        ) from error
    except (TimeoutError, BlockingIOError) as error:
        raise ControlError(f"the daemon is not accepting commands at {path}; try again, or see its log") from error
    except OSError as error:
        raise ControlError(
            f"the daemon cannot be reached at {path}: {describe_os_error(error)}; check the path"
        ) from error


def _decode_answer(line: bytes | None) -> dict[str, Any]:
    """Return the answer in a line, or raise the error in it."""
    if line is None:
        raise ControlError("the daemon closed the connection before it answered; see its log")
    try:
        message = json.loads(line)
        if message[OK_KEY]:
            answer = message[ANSWER_KEY]
            if isinstance(answer, dict):
                cleaned: dict[str, Any] = _clean_value(answer)
                return cleaned
            raise TypeError("the answer is not an object")
        refusal = clean_text(str(message[ERROR_KEY]), MAX_TEXT)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ControlError(
            "the daemon's answer cannot be understood; check that the command and the daemon have the same version"
        ) from error
    raise ControlError(refusal)


def _clean_value(value: Any) -> Any:
    """Return an answer with every text in it cleaned."""
    if isinstance(value, str):
        return clean_text(value, MAX_TEXT)
    if isinstance(value, list):
        return [_clean_value(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key, MAX_TEXT): _clean_value(item) for key, item in value.items()}
    return value


def _find_closed(path: Path) -> Path:
    """Return what keeps this account from a socket: the socket itself, or its folder if that is closed too."""
    return path if os.access(path.parent, os.X_OK, effective_ids=True) else path.parent
