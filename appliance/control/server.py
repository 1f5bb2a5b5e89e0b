"""The server of the control socket, through which commands on this machine contact the running daemon.

The socket is a Unix stream socket in the runtime folder, with mode 0660 and the folder's group, so the file system
decides who may use it. A connection may carry several requests; protocol.py describes them.

The server has its own threads: one that accepts connections, and one for each client. A request such as installing a
model takes seconds, during which the main thread must feed the watchdog, and a client that connects and sends nothing
must not delay others. A socket on which a daemon answers is never taken over, the number of clients and the size of
requests are limited (clients.py), and no client can make the daemon fail.
"""

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from appliance.control.clients import MAX_CLIENTS, ClientTable, read_peer_user
from appliance.control.listener import open_listener
from appliance.control.protocol import ANSWER_KEY, ERROR_KEY, OK_KEY
from appliance.control.wire import MAX_REQUEST_BYTES, LineReader, encode_message
from appliance.errors import ApplianceError, ControlError, describe_os_error
from appliance.system.foreign_text import clean_text

log = logging.getLogger("appliance")

Handler = Callable[[dict[str, Any]], dict[str, Any]]

REQUEST_TIMEOUT_S = 10.0  # for receiving one request, and for sending its answer
_PAUSE_S = 0.5  # after a failed accept, because its cause (too many descriptors) may last
_MAX_REASON = 2000


class ControlServer:
    """Answers on the control socket from `start()` to `stop()`; as a context manager, it calls both."""

    def __init__(self, path: Path, handle: Handler, request_timeout_s: float = REQUEST_TIMEOUT_S):
        """Describe the server; `start` opens the socket.

        Args:
            path: The socket's path; its folder must exist.
            handle: Returns the answer to a request; called by several threads at once. The text of an ApplianceError
                is sent to the client; any other error is logged, and the client is referred to the log.
            request_timeout_s: A client that takes longer to send a request or to receive its answer is disconnected.
        """
        self.path = path
        self._handle = handle
        self._request_timeout_s = request_timeout_s
        self._listener: socket.socket | None = None
        self._inode = 0
        self._clients = ClientTable()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Open the socket and begin to answer.

        Raises:
            ControlError: Another daemon answers on the socket, or it cannot be created.
        """
        try:
            self._listener = open_listener(self.path, MAX_CLIENTS)
            self._inode = self.path.lstat().st_ino
        except OSError as error:
            reason = describe_os_error(error)
            raise ControlError(
                f"the control socket {self.path} cannot be created: {reason}; check the permissions of its folder"
            ) from error
        threading.Thread(target=self._accept_clients, args=(self._listener,), name="control", daemon=True).start()

    def stop(self) -> None:
        """Stop answering and remove the socket; requests in progress are cut off."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        with contextlib.suppress(OSError):
            if self.path.lstat().st_ino == self._inode:  # otherwise it is the socket of a later daemon
                self.path.unlink()
        for each in (listener, *self._clients.connections()):
            _disconnect(each)
        listener.close()

    def _accept_clients(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                client, _ = listener.accept()
            except OSError as error:
                if self._listener is not listener:
                    return
                log.warning("a client of the control socket could not be accepted: %s", describe_os_error(error))
                time.sleep(_PAUSE_S)
                continue
            client.settimeout(self._request_timeout_s)
            admission = self._clients.admit(client, read_peer_user(client))
            if admission.dropped:
                _disconnect(admission.dropped)
            if admission.is_admitted:
                threading.Thread(target=self._serve, args=(client,), name="control-client", daemon=True).start()
            else:
                _send(client, _refuse("too many commands are talking to the daemon at once; try again in a moment"))
                client.close()

    def _serve(self, client: socket.socket) -> None:
        try:
            lines = LineReader(client, MAX_REQUEST_BYTES)
            while (line := lines.read_line(time.monotonic() + self._request_timeout_s)) is not None:
                with self._clients.mark_busy(client):
                    answer = encode_message(self._answer(line))
                # A client that does not read its answer is as idle as one that sends nothing.
                client.settimeout(self._request_timeout_s)
                client.sendall(answer)
        except ValueError:
            _send(client, _refuse(f"the request is longer than {MAX_REQUEST_BYTES} bytes"))
        except OSError:
            pass  # the client disconnected or took too long
        finally:
            self._clients.remove(client)
            client.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _refuse("the request is not JSON; send one JSON object per line")
        if not isinstance(request, dict):
            return _refuse("the request is not a JSON object; send one JSON object per line")
        try:
            return {OK_KEY: True, ANSWER_KEY: self._handle(request)}
        except ApplianceError as error:
            return _refuse(str(error))
        except Exception:
            log.exception("a request on the control socket failed")
            return _refuse("the daemon failed to carry out this request; see its log")


def _refuse(reason: str) -> dict[str, Any]:
    return {OK_KEY: False, ERROR_KEY: clean_text(reason, _MAX_REASON)}


def _disconnect(connection: socket.socket) -> None:
    """Shut a connection down; this wakes the thread that waits on it, which closing it would not."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _send(client: socket.socket, answer: dict[str, Any]) -> None:
    """Send a final answer to a client that may have disconnected."""
    with contextlib.suppress(OSError):
        client.sendall(encode_message(answer))
