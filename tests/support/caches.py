"""Folders that are made once for each lock file, in the cache of the tests."""

import re
import shutil
from pathlib import Path

# The one in use, and the one before it, which another branch may use.
KEPT = 2


def keep_newest(cache: Path, pattern: str) -> None:
    """Remove all but the last used folders whose whole name matches a pattern; `note_use` records a use."""
    found = [folder for folder in cache.iterdir() if folder.is_dir() and re.fullmatch(pattern, folder.name)]
    for folder in sorted(found, key=lambda each: each.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def note_use(folder: Path) -> Path:
    """Record that a folder is in use now, and return it."""
    folder.touch()
    return folder
