"""Remove temporary files and folders that processes which were killed left behind."""

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

# A file that was about to replace another one (atomic_files.py).
_REPLACEMENT = re.compile(r"\.[^/]+\.(?:json|txt|db)\.[^/.]+")
# Folders of bundles and of their tests; the number is the process that made them, which earlier releases did not add.
_FOLDER = re.compile(r"appliance-(?:bundle|probe)-(?:(?P<pid>[0-9]+)-)?[a-z0-9_]+")


def make_folder_prefix(kind: str) -> str:
    """Return the beginning of the name of a temporary folder of this process, for `remove_leftovers`."""
    return f"appliance-{kind}-{os.getpid()}-"


def remove_leftovers(state: Path) -> None:
    """Remove what killed processes left in the state folder and in the folder for temporary files.

    Args:
        state: The state folder, in which only this process writes.
    """
    for path in _list(state):
        if _REPLACEMENT.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            with contextlib.suppress(OSError):
                path.unlink()
    for path in _list(Path(tempfile.gettempdir())):
        match = _FOLDER.fullmatch(path.name)
        if match and not _is_running(match["pid"]) and _is_own_folder(path):
            shutil.rmtree(path, ignore_errors=True)


def _list(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(folder.iterdir())
    return []


def _is_running(pid: str | None) -> bool:
    return pid is not None and Path("/proc", pid).exists()


def _is_own_folder(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return not path.is_symlink() and path.is_dir() and path.stat().st_uid == os.geteuid()
    return False
