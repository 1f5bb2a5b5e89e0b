"""The files of a site: written in one piece, by one `publish` at a time."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from appliance.errors import PublishError
from appliance.system.atomic_files import write_durably

Write = Callable[[Path, bytes], None]
"""Puts a file into a site; when it returns, the file is whole and stays."""


def write_public(path: Path, content: bytes) -> None:
    """Writes a file of the site in one piece; everybody may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, content, 0o644)


@contextlib.contextmanager
def failures_said(site: Path) -> Iterator[None]:
    """Turns a disk that refuses into a sentence."""
    try:
        yield
    except OSError as error:
        raise PublishError(f"{error.filename or site} cannot be written: {error.strerror or error}") from error


def locked(folder: Path) -> int:
    """A lock on a folder, held as long as the descriptor that is returned is open.

    Raises:
        PublishError: There is no such folder, or somebody else holds the lock.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise PublishError(f"{folder} is no site: {error.strerror or error}; `publish init` makes one") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise PublishError(f"{folder} is being changed by another `publish`; try again when it is done") from error
    return descriptor
