"""Write the files of a site, each one completely or not at all, and only one `publish` at a time."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from appliance.errors import PublishError, describe_os_error
from appliance.system.atomic_files import write_durably

WriteFile = Callable[[Path, bytes], None]
"""Writes a file of a site; when it returns, the file is complete and durable."""


def write_public(path: Path, content: bytes) -> None:
    """Write a file of the site completely or not at all, readable by everyone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, content, 0o644)


@contextlib.contextmanager
def convert_write_errors(site: Path) -> Iterator[None]:
    """Convert an OSError inside the block into a PublishError."""
    try:
        yield
    except OSError as error:
        raise PublishError(f"{error.filename or site} cannot be written: {describe_os_error(error)}") from error


def lock_folder(folder: Path) -> int:
    """Lock a folder and return a descriptor; closing it releases the lock.

    Raises:
        PublishError: The folder does not exist, or another process has locked it.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise PublishError(
            f"{folder} is not a site: {describe_os_error(error)}; create one with `publish init`"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise PublishError(f"another `publish` is changing {folder}; try again when it has finished") from error
    return descriptor


def hash_file(file: Path) -> str:
    """Return the SHA-256 of a file, in hex.

    Raises:
        OSError: The file cannot be read.
    """
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
