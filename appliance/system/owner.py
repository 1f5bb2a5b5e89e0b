"""Act with the rights of a folder's owner while a command that root started touches the folder.

An unprivileged account may own a folder that root's commands write to, such as the state folder. That account can
replace anything in it by a symbolic link, so root must not follow it with root's rights. Linux keeps the ids for access
to files (setfsuid(2), setfsgid(2)) and the groups for each thread, so other threads of the process keep their rights.
"""

import ctypes
import logging
import os
import platform
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger("appliance")

# The limit of Linux for the links that one path may contain.
_MAX_LINKS = 40
# The number of the system call setgroups, which acts on one thread; the C library's function acts on all of them.
_SET_GROUPS = {"x86_64": 116, "aarch64": 159}
_QUERY = -1


def find_other_owner(folder: Path) -> tuple[int, int] | None:
    """Return the ids of the user and group that control a folder; None if that is root or the folder is missing.

    This is the owner of the first symbolic link on the path that does not belong to root, else the folder's owner.

    Args:
        folder: A folder; it and its parents may be symbolic links.
    """
    pending, current, links = list(folder.absolute().parts[1:]), Path("/"), 0
    while pending:
        name = pending.pop(0)
        if name == "..":
            current = current.parent
            continue
        path = current / name
        try:
            status = path.lstat()
        except OSError:
            return None
        if not stat.S_ISLNK(status.st_mode):
            current = path
            continue
        links += 1
        if status.st_uid != 0:
            return status.st_uid, status.st_gid
        if links > _MAX_LINKS:
            return None
        target = path.readlink()
        pending = [*(target.parts[1:] if target.is_absolute() else target.parts), *pending]
        current = Path("/") if target.is_absolute() else current
    status = current.stat()
    return None if status.st_uid == 0 else (status.st_uid, status.st_gid)


@contextmanager
def act_as_owner(folder: Path) -> Iterator[None]:
    """Give up root's rights to files for those of the account that controls `folder`, until the block ends.

    Does nothing unless this thread has root's rights and another account controls the folder. Blocks may be nested.
    """
    owner = find_other_owner(folder) if os.geteuid() == 0 and _set_file_user(_QUERY) == 0 else None
    if owner is None:
        yield
        return
    groups = os.getgroups()
    _set_rights(*owner, [owner[1]])
    try:
        yield
    finally:
        _set_rights(0, os.getegid(), groups)


@contextmanager
def act_as_caller() -> Iterator[None]:
    """Take back root's rights inside `act_as_owner`, to read a file that the caller gave, until the block ends."""
    user = _set_file_user(_QUERY) if os.geteuid() == 0 else 0
    if user == 0:
        yield
        return
    group = _libc().setfsgid(ctypes.c_uint(_QUERY & 0xFFFFFFFF))
    _set_rights(0, os.getegid(), [os.getegid()])
    try:
        yield
    finally:
        _set_rights(user, group, [group])


def become_owner(folder: Path) -> None:
    """Give up root's rights for good if another account controls `folder`, as systemd does for the service."""
    owner = find_other_owner(folder) if os.geteuid() == 0 else None
    if owner is None:
        return
    uid, gid = owner
    try:
        account = pwd.getpwuid(uid)
        name, gid = account.pw_name, account.pw_gid
        os.initgroups(name, gid)
    except KeyError:
        name = str(uid)
        os.setgroups([gid])
    os.setgid(gid)
    os.setuid(uid)
    log.info("running as %s, the owner of %s, instead of root", name, folder)


def _set_rights(uid: int, gid: int, groups: list[int]) -> None:
    """Set the ids of this thread for access to files; the capabilities to ignore permissions follow the user id."""
    libc = _libc()
    if number := _SET_GROUPS.get(platform.machine()):
        array = (ctypes.c_uint * len(groups))(*groups)
        libc.syscall(ctypes.c_long(number), ctypes.c_size_t(len(groups)), array)
    libc.setfsgid(ctypes.c_uint(gid))
    _set_file_user(uid)
    if _set_file_user(_QUERY) != uid:  # the call reports no errors
        raise PermissionError(f"this process may not act as the account with the number {uid}")


def _set_file_user(uid: int) -> int:
    """Set the user id of this thread for access to files, and return the previous one; -1 only queries it."""
    previous: int = _libc().setfsuid(ctypes.c_uint(uid & 0xFFFFFFFF))
    return previous


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
