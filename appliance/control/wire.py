"""Encode and frame messages on the control socket: one JSON object per line."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MAX_REQUEST_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_PATH_BYTES = 107  # sun_path has 108 bytes, including the final zero; see unix(7)


class LineReader:
    """Reads lines from a connection, each limited in length and in time."""

    def __init__(self, connection: socket.socket, max_bytes: int):
        self._connection, self._max_bytes, self._pending = connection, max_bytes, bytearray()

    def read_line(self, deadline_s: float) -> bytes | None:
        """Return the next line without its newline, or None if the connection ended.

        Args:
            deadline_s: The time on time.monotonic() by which the line must be complete.

        Raises:
            TimeoutError: The deadline has passed.
            ValueError: The line is too long.
        """
        searched = 0
        while (end := self._pending.find(b"\n", searched)) < 0:
            searched = len(self._pending)
            if searched > self._max_bytes:
                raise ValueError("the line is too long")
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0:
                raise TimeoutError
            self._connection.settimeout(remaining_s)
            received = self._connection.recv(65536)
            if not received:
                return None
            self._pending += received
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        return line


def encode_message(message: Mapping[str, Any]) -> bytes:
    """Return a request or an answer as one line; a lone surrogate, which UTF-8 cannot represent, becomes "?"."""
    return json.dumps(message, ensure_ascii=False).encode(errors="replace") + b"\n"


@contextlib.contextmanager
def open_socket_address(path: Path) -> Iterator[str]:
    """Yield the path as a socket address; a path that is too long is replaced by one through /proc."""
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
