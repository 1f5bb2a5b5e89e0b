"""Who holds a device: the name of the program to stop, for a camera that is busy.

libcamera locks the media device it uses, so /proc/locks names the holder exactly; for other devices, and where
that file is silent, whoever has the device open is named. The kernel shows another user's open files only to root,
so nobody found does not mean nobody there.
"""

import glob
import os
from pathlib import Path


def find_device_holder(pattern: str) -> str | None:
    """The program that holds one of the devices, as "NAME (process PID)"; None when it cannot be seen.

    Args:
        pattern: The devices' paths, with wildcards as in a shell: /dev/media*.
    """
    devices = {}
    for path in glob.glob(pattern):
        try:
            status = os.stat(path)
        except OSError:
            continue
        devices[path] = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    return _described(_locking(set(devices.values())) or _opening(set(devices))) if devices else None


def _locking(files: set[str]) -> int | None:
    """The process with a lock on one of the files; they are named as in /proc/locks (proc_locks(5))."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        fields = [field for field in line.split() if field != "->"]
        if len(fields) >= 6 and fields[5] in files and fields[4].isdigit() and int(fields[4]) != os.getpid():
            return int(fields[4])
    return None


def _opening(paths: set[str]) -> int | None:
    for link in glob.iglob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(link) in paths and (process := int(link.split("/")[2])) != os.getpid():
                return process
        except OSError:
            continue  # it ended, or is not ours to look at
    return None


def _described(process: int | None) -> str | None:
    if process is None:
        return None
    try:
        return f"{Path(f'/proc/{process}/comm').read_text().strip()} (process {process})"
    except OSError:
        return f"process {process}"
