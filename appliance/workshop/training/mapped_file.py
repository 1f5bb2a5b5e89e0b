"""Map a file without a name into memory, for large arrays; a killed process leaves nothing behind."""

import mmap
import os
import tempfile
from pathlib import Path

from appliance.errors import TrainingError, describe_os_error


def map_nameless_file(needed_bytes: int, folder: Path | None, prefix: str, content: str) -> mmap.mmap:
    """Create a file of zeros, map it, and delete its name.

    Args:
        needed_bytes: Its size; more than 0.
        folder: Contains the file; None for the system's temporary folder.
        prefix: How its name begins.
        content: What needs the space, for the error message, such as "the features of 100 pictures need".

    Raises:
        TrainingError: The disk has too little space.
    """
    try:
        with tempfile.TemporaryFile(prefix=prefix, dir=folder) as file:
            # A full disk must be noticed here, because a failing page of the map would end the process.
            os.posix_fallocate(file.fileno(), 0, needed_bytes)
            return mmap.mmap(file.fileno(), 0)
    except OSError as error:
        raise TrainingError(
            f"{content} {needed_bytes / 1e6:.0f} MB in {folder or tempfile.gettempdir()}, which cannot be used "
            f"({describe_os_error(error)}); free space there"
        ) from error
