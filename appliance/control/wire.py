"""Encode and frame messages on the control socket."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_REQUEST_BYTES = 64 * 1024


MAX_ANSWER_BYTES = 4 * 1024 * 1024


MAX_PATH_BYTES = 107  # sun_path holds 108 with the closing zero, unix(7)


class LineReader:
    """Reads lines from a connection, each bounded in length and in time."""

    def __init__(self, connection: socket.socket, max_bytes: int):
        self._connection, self._max_bytes, self._pending = connection, max_bytes, bytearray()

    def next(self, deadline_s: float) -> bytes | None:
        """The next line; None at the end. Raises TimeoutError after the deadline and ValueError past the length."""
        searched = 0
        while (end := self._pending.find(b"\n", searched)) < 0:
            searched = len(self._pending)
            if searched > self._max_bytes:
                raise ValueError("line too long")
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._connection.settimeout(left_s)
            received = self._connection.recv(65536)
            if not received:
                return None
            self._pending += received
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        return line


def encode_message(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


@contextlib.contextmanager
def open_socket_address(path: Path) -> Iterator[str]:
    """The path as a socket address; a long one goes through a descriptor of its folder, which is short."""
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
