"""A folder that a camera fills, for example by FTP: deliver its pictures once, then each new one as it arrives.

A picture is delivered when it is complete: its size and time no longer change, and it can be decoded. A file that is
replaced under the same name is a new picture. Only regular files are opened, because a FIFO could block forever.
"""

import logging
import os
import stat
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.camera.source import PICTURE_SUFFIXES, describe_missing_path
from appliance.errors import CameraAbsentError, PictureError, describe_os_error
from appliance.imaging.files import read_picture

log = logging.getLogger("appliance.camera")

POLL_S = 0.5  # between two looks at the folder
SETTLE_S = 0.5  # a file is complete when it did not change for this long
GIVE_UP_S = 30.0  # a file that cannot be decoded is skipped when it did not change for this long
WAIT_S = 1.0  # longest wait in one read

# What was delivered of the folder that was followed last, so that its pictures are not delivered again after an outage,
# a reload, or a pause.
_remembered: dict[Path, dict[str, "_FileIdentity"]] = {}


@dataclass(frozen=True, slots=True)
class _FileIdentity:
    """One state of a file."""

    modified_ns: int
    size_bytes: int


@dataclass(slots=True)
class _FileCandidate:
    """A file that has not been delivered in its present state."""

    identity: _FileIdentity
    since_s: float  # when this state was first seen
    tried_s: float | None = None  # when decoding last failed


class FollowedFolder:
    """The pictures in a folder, each delivered once, in the order of arrival; see appliance.camera.Camera."""

    live = False
    dropped = 0
    damaged = 0

    def __init__(self, path: Path):
        """List the pictures that are there; they are delivered first, in the order of their names.

        Raises:
            CameraAbsentError: The folder cannot be read.
        """
        self._path = path
        self._delivered = _remembered.pop(path, {})
        self._candidates: dict[str, _FileCandidate] = {}
        self._ready: deque[str] = deque()
        self._reported: set[str] = set()
        self._skipped = 0
        self._looked_s = float("-inf")
        self._look(is_first=True)
        count = len(self._ready)
        self.description = f"{count} picture{'s' if count != 1 else ''} in {path}, and those that arrive"

    def read(self) -> np.ndarray | None:
        """Return the next picture, or None if none arrived within WAIT_S; see Camera.read()."""
        until_s = time.monotonic() + WAIT_S
        while True:
            while self._ready:
                pixels = self._deliver(self._ready.popleft())
                if pixels is not None:
                    return pixels
            now_s = time.monotonic()
            if now_s - self._looked_s >= POLL_S:
                self._look()
            elif now_s >= until_s:
                return None
            else:
                time.sleep(min(POLL_S / 5, until_s - now_s))

    def close(self) -> None:
        """Remember what was delivered; no file is open between two reads. See Camera.close()."""
        _remembered.clear()
        _remembered[self._path] = self._delivered

    def _look(self, is_first: bool = False) -> None:
        """Find the files that are complete and were not delivered."""
        now_s = self._looked_s = time.monotonic()
        present = self._list_files()
        self._delivered = {name: state for name, state in self._delivered.items() if name in present}
        self._candidates = {name: each for name, each in self._candidates.items() if name in present}
        arrived: list[str] = []
        for name, identity in present.items():
            if self._delivered.get(name) == identity:
                self._candidates.pop(name, None)
                continue
            candidate = self._candidates.get(name)
            if candidate is None or candidate.identity != identity:
                candidate = self._candidates[name] = _FileCandidate(identity, now_s)
            is_settled = is_first or now_s - candidate.since_s >= SETTLE_S
            is_due = candidate.tried_s is None or now_s - candidate.tried_s >= 2 * SETTLE_S
            if is_settled and is_due:
                arrived.append(name)
        arrived.sort(key=lambda name: (0 if is_first else present[name].modified_ns, name))
        self._ready.extend(arrived)

    def _list_files(self) -> dict[str, _FileIdentity]:
        present, special = {}, set[str]()
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or Path(entry.name).suffix.lower() not in PICTURE_SUFFIXES:
                        continue
                    try:
                        status = entry.stat()
                    except OSError:  # removed in the meantime, or a link to nothing
                        continue
                    if stat.S_ISREG(status.st_mode):
                        present[entry.name] = _FileIdentity(status.st_mtime_ns, status.st_size)
                    elif not stat.S_ISDIR(status.st_mode):
                        special.add(entry.name)
                        self._report(entry.name, f"{self._path / entry.name} is not a regular file")
        except OSError as error:
            self.close()
            if isinstance(error, FileNotFoundError):
                raise CameraAbsentError(describe_missing_path(self._path)) from error
            raise CameraAbsentError(
                f"the folder {self._path} cannot be read: {describe_os_error(error)}; check camera.source"
            ) from error
        self._reported &= present.keys() | special
        return present

    def _deliver(self, name: str) -> np.ndarray | None:
        """Return the picture in a file, or None if it is not complete yet or cannot be decoded."""
        candidate = self._candidates.get(name)
        if candidate is None:
            return None
        try:
            pixels = read_picture(self._path / name)
        except PictureError as error:
            candidate.tried_s = time.monotonic()
            if candidate.tried_s - candidate.since_s >= GIVE_UP_S:
                self._report(name, str(error))
                self._finish(name, candidate)
            return None
        self._finish(name, candidate)
        return pixels

    def _finish(self, name: str, candidate: _FileCandidate) -> None:
        self._delivered[name] = candidate.identity
        self._candidates.pop(name, None)

    def _report(self, name: str, reason: str) -> None:
        """Log once that a file is skipped; after the first few files, only the number is logged."""
        if name in self._reported:
            return
        self._reported.add(name)
        self._skipped += 1
        count = self._skipped
        if count <= 3:
            log.warning("camera: skipping a picture: %s", reason)
        elif count & (count - 1) == 0:  # at 4, 8, 16, …
            log.warning("camera: skipped %d pictures in %s; the last one: %s", count, self._path, reason)
