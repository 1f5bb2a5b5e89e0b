"""Replay a picture, or a folder of pictures, as a camera, to try out models and settings.

Each picture is one frame, unchanged, in the order of file names; the capture thread determines the rate. A folder is
listed again in each round, so that pictures can be added and removed meanwhile. The last decoded picture is kept: a
single picture is decoded only once, until the file changes.
"""

import logging
from pathlib import Path

import numpy as np

from appliance.camera.source import PICTURE_SUFFIXES
from appliance.errors import CameraAbsentError, CameraEndedError, PictureError, describe_os_error
from appliance.imaging.files import read_picture

log = logging.getLogger("appliance.camera")

# Unreadable pictures that were logged, with their modification times: the camera is reopened after each failure and
# would log them again.
_logged: set[tuple[Path, int]] = set()


class PictureCamera:
    """The pictures directly in a folder, or one picture repeatedly."""

    live = False
    dropped = 0

    def __init__(self, path: Path, loop: bool):
        """List the pictures.

        Args:
            path: A picture or a folder.
            loop: Start again at the end; without it a single picture is one frame.

        Raises:
            CameraAbsentError: There is no picture, or the folder cannot be read.
        """
        self._path = path
        self._loop = loop
        self._is_folder = path.is_dir()
        self._round = self._list_pictures()
        self._next = 0
        self._delivered = False  # a picture, in this round
        self._error: PictureError | None = None  # of the last picture that was skipped
        self._decoded: tuple[tuple[Path, int, int], np.ndarray] | None = None
        count = len(self._round)
        prefix = f"{count} picture{'s' if count > 1 else ''} in" if self._is_folder else "the picture"
        self.description = f"{prefix} {path}"

    def read(self) -> np.ndarray:
        """Return the next frame; see Camera.read()."""
        while True:
            if self._next >= len(self._round):
                self._start_round()
            path = self._round[self._next]
            self._next += 1
            try:
                pixels = self._load(path)
            except PictureError as error:
                self._error = error
                self._log_once(path, error)
            else:
                self._delivered = True
                return pixels

    def close(self) -> None:
        """Release the decoded picture; see Camera.close()."""
        self._decoded = None

    def _list_pictures(self) -> list[Path]:
        if not self._is_folder:
            if not self._path.is_file():
                raise CameraAbsentError(f"camera.source {self._path} does not exist; check the path")
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
            raise CameraAbsentError(f"the folder {self._path} contains no picture (.jpg, .png, …); add some")
        return pictures

    def _start_round(self) -> None:
        if not self._delivered:
            summary = f"none of the {len(self._round)} pictures in {self._path} can be read; the last: "
            raise CameraAbsentError(f"{summary if self._is_folder else ''}{self._error}")
        if not self._loop:
            raise CameraEndedError(f"{self._path} was shown to its end (camera.loop is off)")
        self._round, self._next, self._delivered = self._list_pictures(), 0, False

    def _load(self, path: Path) -> np.ndarray:
        try:
            status = path.stat()
        except OSError as error:
            raise PictureError(f"{path} cannot be read: {describe_os_error(error)}") from error
        identity = (path, status.st_mtime_ns, status.st_size)
        if self._decoded is None or self._decoded[0] != identity:
            self._decoded = identity, read_picture(path)
        return self._decoded[1].copy()

    def _log_once(self, path: Path, error: PictureError) -> None:
        try:
            modified_ns = path.stat().st_mtime_ns
        except OSError:
            modified_ns = 0
        if (path, modified_ns) not in _logged:
            _logged.add((path, modified_ns))
            log.warning("camera: skipping a picture: %s", error)
