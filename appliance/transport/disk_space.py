"""Room on the disk for what is fetched: looked at before a download, where its size is known, and while it grows.

A server need not say how much it will send, and another program may write beside this one. So what is left is looked at
again and again, and a download ends while the outbox and the log can still go on.
"""

import errno
import shutil
from pathlib import Path

from appliance.errors import DiskFullError

# What stays free beside a candidate.
RESERVE_BYTES = 16 * 1024 * 1024
# How many bytes may come between two looks at what is left.
LOOK_EVERY_BYTES = 1024 * 1024
# The download, what a zip unpacks to, and the copy in the store.
_COPIES = 3


def require_free_space(folder: Path, size_bytes: int | None, have_bytes: int = 0) -> None:
    """Whether a file may be fetched, or fetched on.

    Args:
        folder: Where it comes to.
        size_bytes: All of it, None where that is not known.
        have_bytes: What is here of it already.

    Raises:
        NoRoomError: It does not fit.
        OSError: The folder cannot be asked.
    """
    free_bytes = shutil.disk_usage(folder).free
    needed_bytes = max(0, (size_bytes or 0) * _COPIES - have_bytes) + RESERVE_BYTES
    if free_bytes < needed_bytes:
        raise DiskFullError(
            f"{free_bytes // 1_000_000} MB are free where {folder} is, and this model needs "
            f"{-(-needed_bytes // 1_000_000)} MB; make room"
        )


def is_disk_full(error: Exception) -> bool:
    """Whether an error says that the disk is full, or this account's share of it."""
    return isinstance(error, DiskFullError) or (
        isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    )
