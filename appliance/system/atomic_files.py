"""Replace whole files: after a power cut, a file has either its old content or its new content.

New content is written to a temporary file in the same folder, synced, and renamed over the old one; then the folder is
synced, because ext4 may otherwise lose the rename itself in a power cut.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from appliance.system.owner import act_as_owner, find_other_owner


def write_durably(path: Path, content: bytes, mode: int = 0o640) -> None:
    """Replace the content of `path`; when this returns, the new content survives a power cut.

    The file belongs to the owner of its folder, even if root writes it.

    Raises:
        OSError: The file cannot be written; the old content remains.
    """
    write_atomically(path, content, mode)


def write_atomically(path: Path, content: bytes, mode: int = 0o640, *, durable: bool = True) -> None:
    """Replace the content of `path`.

    Args:
        path: The file to replace or create.
        content: The file's entire new content.
        mode: The file's permissions.
        durable: Whether the content must survive a power cut; False skips the syncs.

    Raises:
        OSError: The file cannot be written; the old content remains.
    """
    with open_replacement(path, mode, durable=durable) as file:
        file.write(content)


@contextmanager
def open_replacement(
    path: Path,
    mode: int = 0o640,
    *,
    durable: bool = True,
    suffix: str = "",
    owner: tuple[int, int] | None = None,
) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the block ends, or is removed if the block raises.

    If root writes the file, it belongs to `owner`, by default the account that controls its folder, and is created with
    that account's rights: a link that the account put in the path leads nowhere that it could not write itself.

    Args:
        path: The file to replace or create.
        mode: The file's permissions.
        durable: Whether the content must survive a power cut; False skips the syncs.
        suffix: The end of the temporary file's name, for code that depends on the suffix when it reads the file.
        owner: User and group id; only root can set them.

    Yields:
        The temporary file, open for binary writing; its `name` is its path.

    Raises:
        OSError: The file cannot be written; the old content remains.
    """
    with act_as_owner(path.parent):
        file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed below
            dir=path.parent, prefix=f".{path.name}.", suffix=suffix, delete=False
        )
    with file:
        temporary = Path(file.name)
        try:
            yield cast("BinaryIO", file)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if os.geteuid() == 0 and (new_owner := owner or _get_other_owner(path.parent)):
                os.fchown(file.fileno(), *new_owner)
            if durable:
                os.fsync(file.fileno())
            with act_as_owner(path.parent):
                temporary.replace(path)
        except BaseException:
            with act_as_owner(path.parent):
                temporary.unlink(missing_ok=True)
            raise
    if durable:
        sync_folder(path.parent)


def is_read_only(path: Path) -> bool:
    """Return whether an existing file or folder is on a file system that is mounted read-only."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def rename_durably(source: Path, target: Path) -> None:
    """Rename a file or a folder within one file system, so that the new name survives a power cut."""
    source.rename(target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def sync_tree(folder: Path) -> None:
    """Sync `folder` and everything in it, so that it can be renamed without losing content."""
    for _, _, files, descriptor in os.fwalk(folder, topdown=False):
        for name in files:
            _sync_and_close(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=descriptor))
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Sync the names in `folder`, so that files created or renamed in it survive a power cut."""
    _sync_and_close(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))


def _get_other_owner(folder: Path) -> tuple[int, int] | None:
    """Return the ids of the user and group that new files in a folder belong to, or None if both are root's."""
    status = folder.stat()
    owner = find_other_owner(folder) or (status.st_uid, status.st_gid)
    return None if owner == (0, 0) else owner


def _sync_and_close(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
