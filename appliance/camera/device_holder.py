"""Find the process that uses a device, so that a "camera busy" message can name the program to stop.

libcamera locks the media device that it uses, so /proc/locks identifies the process exactly. For other devices, or if
that file has no entry, any process that has opened the device is reported. The kernel shows the open files of another
user only to root, so a missing result does not prove that the device is free.
"""

import glob
import os
from pathlib import Path


def find_device_holder(pattern: str) -> str | None:
    """Return the process that uses one of the devices, as "NAME (process PID)"; None if it is unknown.

    Args:
        pattern: The devices' paths with shell wildcards, such as /dev/media*.
    """
    devices = {}
    for path in glob.glob(pattern):  # noqa: PTH207 - Path.glob accepts no absolute pattern
        try:
            status = os.stat(path)  # noqa: PTH116 - the path stays a string, to compare with links in /proc
        except OSError:
            continue
        devices[path] = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    if not devices:
        return None
    pid = _find_locking_process(set(devices.values())) or _find_opening_process(set(devices))
    return None if pid is None else _describe_process(pid)


def _find_locking_process(files: set[str]) -> int | None:
    """Return the process that locks one of the files, given as MAJOR:MINOR:INODE as in /proc/locks (proc_locks(5))."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        fields = [field for field in line.split() if field != "->"]
        if len(fields) >= 6 and fields[5] in files and fields[4].isdigit() and int(fields[4]) != os.getpid():
            return int(fields[4])
    return None


def _find_opening_process(paths: set[str]) -> int | None:
    for link in glob.iglob("/proc/[0-9]*/fd/*"):  # noqa: PTH207 - strings are faster for thousands of links
        try:
            if os.readlink(link) in paths and (pid := int(link.split("/")[2])) != os.getpid():  # noqa: PTH115 - as above
                return pid
        except OSError:
            continue  # the process ended, or belongs to another user
    return None


def _describe_process(pid: int) -> str:
    try:
        return f"{Path(f'/proc/{pid}/comm').read_text().strip()} (process {pid})"
    except OSError:
        return f"process {pid}"
