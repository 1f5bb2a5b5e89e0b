"""Check the free space for downloads: before a download if its size is known, and while it grows.

A server need not announce how much it will send, and other programs also write to the disk. So the free space is
checked repeatedly, and a download is stopped while there is still space for the outbox and the log.
"""

import errno
import shutil
from pathlib import Path

from appliance.errors import DiskFullError

# Space that must stay free in addition to the downloaded model.
RESERVE_BYTES = 16 * 1024 * 1024
# How many bytes may arrive between two checks.
CHECK_EVERY_BYTES = 1024 * 1024
# One each for the download, the content of a zip, and the copy in the store.
_COPIES = 3


def require_free_space(folder: Path, size_bytes: int | None, have_bytes: int = 0) -> None:
    """Raise an error unless there is space for a model, or for the rest of it.

    Args:
        folder: The folder of the download.
        size_bytes: The model's total size; None if it is unknown.
        have_bytes: How much of the model has already arrived.

    Raises:
        DiskFullError: There is not enough space.
        OSError: The free space cannot be determined.
    """
    free_bytes = shutil.disk_usage(folder).free
    needed_bytes = max(0, (size_bytes or 0) * _COPIES - have_bytes) + RESERVE_BYTES
    if free_bytes < needed_bytes:
        raise DiskFullError(
            f"{free_bytes // 1_000_000} MB are free on the disk of {folder}, but this model needs "
            f"{-(-needed_bytes // 1_000_000)} MB; free disk space"
        )


def is_disk_full(error: Exception) -> bool:
    """Return whether an error means that the disk, or this account's quota, is full."""
    return isinstance(error, DiskFullError) or (
        isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    )
