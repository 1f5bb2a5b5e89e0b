"""Small files that a power cut leaves whole: either the old content or the new, never half of one.

Written beside, synced, renamed over, and the folder synced: without the last step ext4 may forget the rename itself.
"""

import os
import tempfile
from pathlib import Path


def write_durably(path: Path, content: bytes, mode: int = 0o640) -> None:
    """Replaces `path` by `content`; when it returns, the content survives a power cut.

    The file belongs to the owner of its folder, also where root writes it.

    Raises:
        OSError: It could not be written; the old content is still there.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            owner = os.stat(path.parent)
            if os.geteuid() == 0 and (owner.st_uid, owner.st_gid) != (0, 0):
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def rename_durably(source: Path, target: Path) -> None:
    """Renames a file or a folder within one file system, so that the new name survives a power cut."""
    os.rename(source, target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def sync_tree(folder: Path) -> None:
    """Syncs every file and folder below `folder`, and itself: what is renamed after that is never found empty."""
    for _, _, files, below in os.fwalk(folder, topdown=False):
        for name in files:
            _sync(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=below))
        os.fsync(below)


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` survive a power cut."""
    _sync(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
