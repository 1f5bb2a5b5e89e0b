"""Replay a picture, or a folder of pictures, as a camera, to try out models and settings.

Pictures are delivered unchanged, one per frame, in file-name order; the capture thread determines the rate. A folder is
listed again at the start of each pass, so pictures can be added and removed in the meantime. (A folder that does not
repeat is followed instead, see folder.py.) The last decoded picture is kept, so a single picture is decoded again only
if its file changes.
"""

import logging
from pathlib import Path

import numpy as np

from appliance.camera.source import PICTURE_SUFFIXES, describe_missing_path
from appliance.errors import CameraAbsentError, CameraEndedError, PictureError, describe_os_error, describe_unreadable
from appliance.imaging.files import read_picture

log = logging.getLogger("appliance.camera")

MAX_LINES = 3  # about unreadable pictures, for each pass
MAX_REMEMBERED = 10_000
# Pictures already logged as unreadable, with modification times. Kept at module level because the camera is reopened
# after each failure.
_logged: set[tuple[Path, int]] = set()


class PictureCamera:
    """A camera that replays the pictures directly in a folder, or a single picture."""

    live = False
    dropped = 0
    damaged = 0

    def __init__(self, path: Path, loop: bool):
        """List the pictures.

        Args:
            path: A picture or a folder.
            loop: Whether to start again at the end; if not, a single picture is delivered only once.

        Raises:
            CameraAbsentError: There are no pictures, or the folder cannot be read.
        """
        self._path = path
        self._loop = loop
        self._is_folder = path.is_dir()
        self._pictures = self._list_pictures()
        self._next = 0
        self._has_delivered = False  # whether this pass has delivered a picture
        self._failures = 0  # in this pass, not logged before
        self._error: PictureError | None = None  # the error of the last picture that was skipped
        self._decoded: tuple[tuple[Path, int, int], np.ndarray] | None = None
        count = len(self._pictures)
        prefix = f"{count} picture{'s' if count > 1 else ''} in" if self._is_folder else "the picture"
        self.description = f"{prefix} {path}"

    def read(self) -> np.ndarray:
        """Return the next frame; see Camera.read()."""
        while True:
            if self._next >= len(self._pictures):
                self._start_pass()
            path = self._pictures[self._next]
            self._next += 1
            try:
                pixels = self._load(path)
            except PictureError as error:
                self._require_folder()
                self._error = error
                self._count_failure(path, error)
            else:
                self._has_delivered = True
                return pixels

    def close(self) -> None:
        """Release the decoded picture; see Camera.close()."""
        self._decoded = None

    def _list_pictures(self) -> list[Path]:
        if not self._is_folder:
            if not self._path.exists():
                raise CameraAbsentError(describe_missing_path(self._path))
            if not self._path.is_file():
                raise CameraAbsentError(f"camera.source {self._path} is not a regular file; correct the path")
            return [self._path]
        try:
            entries = sorted(self._path.iterdir(), key=lambda entry: entry.name)
        except OSError as error:
            raise CameraAbsentError(
                f"the folder {self._path} cannot be read: {describe_os_error(error)}; check camera.source"
            ) from error
        pictures = [
            entry for entry in entries if entry.suffix.lower() in PICTURE_SUFFIXES and not entry.name.startswith(".")
        ]
        if not pictures:
            raise CameraAbsentError(f"the folder {self._path} contains no pictures (.jpg, .png, …); add some")
        return pictures

    def _require_folder(self) -> None:
        """Raise an error if the folder itself is gone, instead of skipping each of its pictures."""
        if self._is_folder and not self._path.is_dir():
            raise CameraAbsentError(describe_missing_path(self._path))

    def _start_pass(self) -> None:
        self._log_count()
        if not self._has_delivered:
            summary = f"none of the {len(self._pictures)} pictures in {self._path} can be read; last error: "
            raise CameraAbsentError(f"{summary if self._is_folder else ''}{self._error}")
        if not self._loop:
            raise CameraEndedError(f"playback of {self._path} ended; set camera.loop = true to repeat it")
        self._pictures, self._next, self._has_delivered = self._list_pictures(), 0, False

    def _load(self, path: Path) -> np.ndarray:
        try:
            status = path.stat()
        except OSError as error:
            raise PictureError(describe_unreadable(path, error)) from error
        identity = (path, status.st_mtime_ns, status.st_size)
        if self._decoded is None or self._decoded[0] != identity:
            self._decoded = identity, read_picture(path)
        return self._decoded[1].copy()

    def _count_failure(self, path: Path, error: PictureError) -> None:
        """Log a picture that cannot be read, once; after the first few of a pass, only count."""
        try:
            modified_ns = path.stat().st_mtime_ns
        except OSError:
            modified_ns = 0
        if (path, modified_ns) in _logged:
            return
        if len(_logged) >= MAX_REMEMBERED:
            _logged.clear()
        _logged.add((path, modified_ns))
        self._failures += 1
        if self._failures <= MAX_LINES:
            log.warning("camera: skipping a picture: %s", error)

    def _log_count(self) -> None:
        """Log how many more pictures of this pass were skipped."""
        if self._failures > MAX_LINES:
            more = self._failures - MAX_LINES
            log.warning("camera: skipped %d more pictures in %s; last error: %s", more, self._path, self._error)
        self._failures = 0
