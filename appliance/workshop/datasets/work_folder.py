"""A folder for an unfinished result, beside the result; leftovers of killed runs are removed.

The process holds a lock on the folder while it works. The kernel releases it however the process ends, so a folder
without a lock is a leftover.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MARK = ".partial-"


@contextmanager
def create_work_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder on the file system of `out`, which is removed when the block ends.

    Args:
        out: The result; folders that killed runs for the same result left behind are removed.

    Raises:
        OSError: The folder cannot be created.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{out.name}{_MARK}"
    _sweep(out.parent, prefix)
    work = Path(tempfile.mkdtemp(dir=out.parent, prefix=prefix))
    descriptor = os.open(work, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(descriptor)


def _sweep(folder: Path, prefix: str) -> None:
    """Remove the folders with this prefix whose process has ended."""
    for path in folder.iterdir():
        if not path.name.startswith(prefix) or path.is_symlink() or not path.is_dir():
            continue
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)
