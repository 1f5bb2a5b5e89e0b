"""The local control socket: what a command on this machine asks of the running daemon.

A Unix stream socket in the run time folder, mode 0660, with the folder's group: who may use it is decided by the file
system. One JSON object a line in each direction; a connection may carry several requests, each answered by
`{"ok": true, "answer": {…}}` or `{"ok": false, "error": "one sentence"}`.

The server has threads of its own, one that accepts and one for each client: a request such as installing a model takes
seconds, and the main thread feeds the watchdog; a client that connects and says nothing must not keep others waiting.
What always holds: a socket that somebody answers on is never taken over, a request and the number of clients are
bounded, and no client can make the daemon fail.
"""

import contextlib
import fcntl
import json
import logging
import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.control.wire import MAX_REQUEST_BYTES, LineReader, encode_message, open_socket_address
from appliance.errors import ApplianceError, ControlError

log = logging.getLogger(__name__)

Handler = Callable[[dict[str, Any]], dict[str, Any]]

MODE = 0o660
MAX_CLIENTS = 16
REQUEST_TIMEOUT_S = 10.0  # for one request to come in whole, and for an answer to be taken


class ControlServer:
    """Answers on the control socket from `start()` to `stop()`; a context manager does both."""

    def __init__(self, path: Path, handle: Handler, request_timeout_s: float = REQUEST_TIMEOUT_S):
        """Args:
        path: The socket's path; its folder must exist.
        handle: Turns a request into an answer. It is called from several threads at a time. An ApplianceError that it
            raises is the answer; any other error is logged, and the client is told to look there.
        request_timeout_s: A client that takes longer to send one request, or to take its answer, is dropped.
        """
        self.path = path
        self._handle = handle
        self._request_timeout_s = request_timeout_s
        self._listener: socket.socket | None = None
        self._inode = 0
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> "ControlServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Opens the socket and begins to answer.

        Raises:
            ControlError: Another daemon answers on it, or it cannot be made there.
        """
        try:
            self._listener = _listen(self.path)
            self._inode = self.path.lstat().st_ino
        except OSError as error:
            reason = error.strerror or error
            raise ControlError(
                f"the control socket {self.path} cannot be made: {reason}; see its folder's rights"
            ) from error
        threading.Thread(target=self._accept, args=(self._listener,), name="control", daemon=True).start()

    def stop(self) -> None:
        """Stops answering and removes the socket; requests under way are cut off."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        with contextlib.suppress(OSError):
            if self.path.lstat().st_ino == self._inode:  # not one that a later daemon put there
                self.path.unlink()
        with self._lock:
            sockets = [listener, *self._clients]
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in it; close alone does not
        listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                client, _ = listener.accept()
            except OSError as error:
                if self._listener is not listener:
                    return
                log.warning("A client of the control socket could not be accepted: %s.", error.strerror)
                time.sleep(0.5)  # out of descriptors, most likely: trying again at once would spin
                continue
            client.settimeout(self._request_timeout_s)
            with self._lock:
                crowded = len(self._clients) >= MAX_CLIENTS
                if not crowded:
                    self._clients.add(client)
            if crowded:
                _tell(client, _no("too many commands are talking to the daemon at once; try again in a moment"))
                client.close()
            else:
                threading.Thread(target=self._serve, args=(client,), name="control-client", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            lines = LineReader(client, MAX_REQUEST_BYTES)
            while (line := lines.next(time.monotonic() + self._request_timeout_s)) is not None:
                client.settimeout(self._request_timeout_s)
                client.sendall(encode_message(self._answer(line)))
        except ValueError:
            _tell(client, _no(f"the request is longer than {MAX_REQUEST_BYTES} bytes"))
        except OSError:
            pass  # the client went away, or took too long: nobody is left to tell
        finally:
            with self._lock:
                self._clients.discard(client)
            client.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _no("the request is not JSON; send one JSON object a line")
        if not isinstance(request, dict):
            return _no("the request is not a JSON object; send one JSON object a line")
        try:
            return {"ok": True, "answer": self._handle(request)}
        except ApplianceError as error:
            return _no(str(error))
        except Exception:
            log.exception("A request on the control socket failed.")
            return _no("the daemon failed at this request; its log says more")


def _no(sentence: str) -> dict[str, Any]:
    return {"ok": False, "error": sentence}


def _tell(client: socket.socket, answer: dict[str, Any]) -> None:
    """Sends a last word to a client that may be gone."""
    with contextlib.suppress(OSError):
        client.sendall(encode_message(answer))


def _listen(path: Path) -> socket.socket:
    """Opens the listening socket, replacing one that nobody answers on."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # two daemons that start at once: one of them finds the other's socket
        _clear(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(listener.fileno(), MODE)  # Linux makes the file with the socket's mode: never wider than this
            with open_socket_address(path) as address:
                listener.bind(address)
            owner = os.fstat(folder)
            _hand_over(path, owner.st_uid, owner.st_gid)
            listener.listen(MAX_CLIENTS)
        except BaseException:
            listener.close()
            raise
        return listener
    finally:
        os.close(folder)


def _clear(path: Path) -> None:
    """Removes the socket of a daemon that is gone."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ControlError(f"{path} is in the way of the control socket and is not a socket; move it away")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            with open_socket_address(path) as address:
                connection.connect(address)
        except ConnectionRefusedError:
            path.unlink()
            return
        except (TimeoutError, BlockingIOError):
            pass  # a daemon too busy to answer is a daemon
    raise ControlError(
        f"another daemon already runs with this state (it answers on {path}); stop it, "
        "or give this one a state of its own with APPLIANCE_STATE_DIR"
    )


def _hand_over(path: Path, owner: int, group: int) -> None:
    try:
        if os.geteuid() == 0:
            os.chown(path, owner, group)
        elif path.stat().st_gid != group:  # the service may call no chown at all, and needs none
            os.chown(path, -1, group)
    except PermissionError:
        log.warning("The control socket %s keeps this account's group, as this account is not in the folder's.", path)
    path.chmod(MODE)
