"""A picture, or a folder of them, replayed as if a camera saw them: for trying out models and settings.

Pictures are given as they are, each for one frame, in the order of their names; the pace is the capture thread's.
A folder is listed anew at each round, so that pictures can be added and taken away meanwhile. What was just decoded
is not decoded again: a lone picture costs its decoding once, until the file changes.
"""

import logging
from pathlib import Path

import numpy as np

from appliance.camera.source import PICTURE_SUFFIXES
from appliance.errors import CameraAbsentError, CameraEndedError, PictureError
from appliance.imaging.files import read_picture

log = logging.getLogger(__name__)

# Bad pictures that were told, with their times of change: the camera is opened anew after each failure, and would
# tell them again.
_told: set[tuple[Path, int]] = set()


class PictureCamera:
    """Pictures from a folder (those directly in it), or one picture over and over."""

    live = False
    dropped = 0

    def __init__(self, path: Path, loop: bool):
        """Looks what there is.

        Args:
            path: A picture or a folder.
            loop: Begin again at the end; without it a lone picture is one frame.

        Raises:
            CameraAbsentError: There is no picture, or none may be read.
        """
        self._path = path
        self._loop = loop
        self._folder = path.is_dir()
        self._round = self._listed()
        self._next = 0
        self._given = False  # a picture, in this round
        self._trouble: PictureError | None = None  # with the last picture that was skipped
        self._last: tuple[tuple[Path, int, int], np.ndarray] | None = None
        pictures = (
            f"{len(self._round)} picture{'s' if len(self._round) > 1 else ''} in " if self._folder else "the picture "
        )
        self.description = f"{pictures}{path}"

    def read(self) -> np.ndarray:
        """See Camera.read()."""
        while True:
            if self._next >= len(self._round):
                self._begin_again()
            path = self._round[self._next]
            self._next += 1
            try:
                pixels = self._pixels(path)
            except PictureError as error:
                self._trouble = error
                self._tell(path, error)
            else:
                self._given = True
                return pixels

    def close(self) -> None:
        """See Camera.close()."""
        self._last = None

    def _listed(self) -> list[Path]:
        if not self._folder:
            if not self._path.is_file():
                raise CameraAbsentError(f"camera.source {self._path} does not exist; check the path")
            return [self._path]
        try:
            entries = sorted(self._path.iterdir(), key=lambda entry: entry.name)
        except OSError as error:
            raise CameraAbsentError(
                f"the folder {self._path} cannot be read: {error.strerror}; check camera.source"
            ) from error
        pictures = [
            entry for entry in entries if entry.suffix.lower() in PICTURE_SUFFIXES and not entry.name.startswith(".")
        ]
        if not pictures:
            raise CameraAbsentError(f"the folder {self._path} holds no picture (.jpg, .png, …); put some into it")
        return pictures

    def _begin_again(self) -> None:
        if not self._given:
            which = (
                f"none of the {len(self._round)} pictures in {self._path} can be read; the last: "
                if self._folder
                else ""
            )
            raise CameraAbsentError(f"{which}{self._trouble}")
        if not self._loop:
            raise CameraEndedError(f"{self._path} was shown to its end (camera.loop is off)")
        self._round, self._next, self._given = self._listed(), 0, False

    def _pixels(self, path: Path) -> np.ndarray:
        try:
            status = path.stat()
        except OSError as error:
            raise PictureError(f"{path} cannot be read: {error.strerror}") from error
        identity = (path, status.st_mtime_ns, status.st_size)
        if self._last is None or self._last[0] != identity:
            self._last = identity, read_picture(path)
        return self._last[1].copy()

    def _tell(self, path: Path, error: PictureError) -> None:
        try:
            changed_ns = path.stat().st_mtime_ns
        except OSError:
            changed_ns = 0
        if (path, changed_ns) not in _told:
            _told.add((path, changed_ns))
            log.warning("camera: skipping a picture: %s", error)
