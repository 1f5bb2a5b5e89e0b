"""The space that the dataset leaves free on the disk."""

import shutil
from pathlib import Path

from appliance.errors import TeachingError

# As for collected frames, because pictures must not prevent events from being stored.
KEPT_FREE_BYTES = 100_000_000


def require_free_disk(folder: Path, added_bytes: int, kept_free_bytes: int = KEPT_FREE_BYTES) -> None:
    """Make sure that a file fits on the disk.

    Args:
        folder: The folder of the file; it need not exist.
        added_bytes: The size of the file.
        kept_free_bytes: The space to leave free.

    Raises:
        TeachingError: It does not fit.
        OSError: The free space cannot be determined.
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if shutil.disk_usage(existing).free - added_bytes < kept_free_bytes:
        raise TeachingError(
            507,
            f"less than {kept_free_bytes // 1_000_000} MB are free on the disk of {folder}; free disk space",
        )
