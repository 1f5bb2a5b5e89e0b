"""The pictures of the history: one JPEG per event, in a folder per first two characters of the event's number."""

import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from appliance.system.atomic_files import write_atomically

# An event's id: the random boot id and a number, or another id that is safe as a file name.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
MAX_PICTURE_BYTES = 2_000_000
"""A larger file was not written by this program."""


class PictureFolder:
    """The folder of the pictures; a symbolic link in it is never followed."""

    def __init__(self, path: Path):
        """Set the folder, which the first picture creates."""
        self.path = path

    def write(self, event_id: str, jpeg: bytes) -> None:
        """Write the picture of an event.

        Raises:
            OSError: It cannot be written.
            ValueError: The id cannot be the name of a file.
        """
        file = self._find_file(event_id)
        file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        write_atomically(file, jpeg, durable=False)

    def read(self, event_id: str) -> bytes | None:
        """Return the picture of an event; None if there is none."""
        try:
            descriptor = os.open(self._find_file(event_id), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError):
            return None
        with os.fdopen(descriptor, "rb") as file:
            try:
                return file.read(MAX_PICTURE_BYTES)
            except OSError:
                return None

    def remove(self, ids: Iterable[str]) -> None:
        """Remove the pictures of events; a missing one is ignored."""
        for event_id in ids:
            with suppress(OSError, ValueError):
                self._find_file(event_id).unlink()

    def remove_all(self) -> None:
        """Remove all pictures."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.path)

    def sweep(self, known: set[str]) -> None:
        """Remove the files that belong to no event: a kill may leave one between its two steps."""
        if not self.path.is_dir():
            return
        for folder in self.path.iterdir():
            if folder.is_symlink() or not folder.is_dir():
                continue
            for file in folder.iterdir():
                if file.name.removesuffix(".jpg") not in known:
                    with suppress(OSError):
                        file.unlink()

    def _find_file(self, event_id: str) -> Path:
        if not _ID.fullmatch(event_id):
            raise ValueError(f"{event_id[:80]!r} is no event id")
        return self.path / event_id[:2] / f"{event_id}.jpg"
