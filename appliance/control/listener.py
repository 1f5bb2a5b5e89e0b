"""Open the listening control socket: replace the socket of a dead daemon, but never that of a running one."""

import fcntl
import logging
import os
import socket
import stat
from pathlib import Path

from appliance.control.wire import open_socket_address
from appliance.errors import ControlError

log = logging.getLogger("appliance")

MODE = 0o660


def open_listener(path: Path, backlog: int) -> socket.socket:
    """Open the listening socket; replace an existing one on which no daemon answers.

    Args:
        path: The socket's path; its folder must exist. The socket gets mode 0660 and the folder's group.
        backlog: How many connections may wait.

    Raises:
        ControlError: Another daemon answers on the path, or the path is a file that is not a socket.
        OSError: The socket cannot be created.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # if two daemons start at once, one must find the other's socket
        _remove_stale_socket(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(listener.fileno(), MODE)  # Linux creates the file with the socket's mode, so never a wider one
            with open_socket_address(path) as address:
                listener.bind(address)
            owner = os.fstat(folder)
            _give_to_group(path, owner.st_uid, owner.st_gid)
            listener.listen(backlog)
        except BaseException:
            listener.close()
            raise
        return listener
    finally:
        os.close(folder)


def _remove_stale_socket(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ControlError(f"{path} is not a socket, but the control socket needs this path; move the file away")
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
            pass  # a daemon is running, but too busy to accept
    raise ControlError(
        f"another daemon is already running with this state folder (it answers on {path}); stop it, "
        "or set APPLIANCE_STATE_DIR to another folder for this one"
    )


def _give_to_group(path: Path, owner: int, group: int) -> None:
    try:
        if os.geteuid() == 0:
            os.chown(path, owner, group)
        elif path.stat().st_gid != group:  # the service may not call chown at all, and need not
            os.chown(path, -1, group)
    except PermissionError:
        log.warning(
            "the control socket %s keeps this account's group, because the account is not in its folder's group", path
        )
    path.chmod(MODE)
