"""The folder of collected frames: STEM.jpg, with the model's predictions in STEM.json.

STEM is the time and the frame's number, so that names sort by age. The sidecar is written before its picture, and
each file appears complete, so a copy of the folder contains no picture without a sidecar. Frames that a person
moved or renamed are left alone: only files with such names directly in the folder are counted and removed.
"""

import json
import re
import shutil
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import PictureError
from appliance.imaging.files import read_picture
from appliance.system.atomic_files import write_atomically
from appliance.system.regular_files import is_foreign
from appliance.system.timestamps import to_rfc3339

# Space left free for other uses of the disk, because pictures must not prevent events from being stored.
KEPT_FREE_BYTES = 100_000_000
_STEM = re.compile(r"\d{8}-\d{6}-\d{3}-\d+")


class CollectedFolder:
    """Pairs of a picture and a sidecar. One thread writes; any thread may read `pictures` and `size_bytes`."""

    def __init__(self, path: Path, max_bytes: int, kept_free_bytes: int = KEPT_FREE_BYTES):
        """Set the limits; nothing is created or read yet.

        Args:
            path: The folder.
            max_bytes: Maximum total size of the pairs.
            kept_free_bytes: Space to leave free on the disk.
        """
        self.path = path
        self.pictures = self.size_bytes = 0
        self._max_bytes = max_bytes
        self._kept_free_bytes = kept_free_bytes
        self._pairs: deque[tuple[str, int]] | None = None  # (stem, bytes of both files), oldest first

    def read_newest(self, count: int) -> Iterator[np.ndarray]:
        """Yield the pixels of the newest pictures, oldest first; the folder need not exist.

        Raises:
            OSError: The folder cannot be read.
        """
        for stem, _ in list(self._list_pairs())[-count:]:
            try:
                yield read_picture(self.path / f"{stem}.jpg")
            except PictureError:
                continue  # removed in the meantime, or damaged by a power cut

    def add(self, time_s: float, number: int, picture: bytes, sidecar: Mapping[str, Any]) -> None:
        """Write a pair, and remove the oldest pairs if the folder would exceed its limit.

        Args:
            time_s: When the frame was captured, seconds since 1970 UTC.
            number: The frame's number.
            picture: A JPEG.
            sidecar: Content of the sidecar; `picture` (file name) and `time` (RFC 3339) are added.

        Raises:
            OSError: The folder cannot be written, the disk is full, or the picture alone exceeds the limit.
        """
        moment = datetime.fromtimestamp(time_s, UTC)
        stem = f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03d}-{number}"
        values = {"time": to_rfc3339(time_s), **sidecar, "picture": f"{stem}.jpg"}
        content = json.dumps(values, ensure_ascii=False, indent=1).encode()
        added_bytes = len(picture) + len(content)
        self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        pairs = self._list_pairs()
        self._free_space(pairs, added_bytes)
        sidecar_path = self.path / f"{stem}.json"
        # Not synced, because a frame that is lost in a power cut does no harm.
        try:
            write_atomically(sidecar_path, content, durable=False)
            write_atomically(self.path / f"{stem}.jpg", picture, durable=False)
        except BaseException:
            sidecar_path.unlink(missing_ok=True)
            raise
        pairs.append((stem, added_bytes))
        self._count(pairs)

    def _free_space(self, pairs: deque[tuple[str, int]], added_bytes: int) -> None:
        if added_bytes > self._max_bytes:
            raise OSError(f"one picture of {added_bytes} bytes exceeds collect.max_bytes")
        while pairs and self.size_bytes + added_bytes > self._max_bytes:
            stem, _ = pairs[0]
            for suffix in (".jpg", ".json"):
                (self.path / f"{stem}{suffix}").unlink(missing_ok=True)
            pairs.popleft()
            self._count(pairs)
        if shutil.disk_usage(self.path).free - added_bytes < self._kept_free_bytes:
            raise OSError(f"less than {self._kept_free_bytes // 1_000_000} MB are free on its disk")

    def _list_pairs(self) -> deque[tuple[str, int]]:
        """Return every pair in the folder, oldest first; the folder is read once."""
        if self._pairs is None:
            pairs = []
            if self.path.is_dir():
                for picture in self.path.glob("*.jpg"):
                    if _STEM.fullmatch(picture.stem) and not is_foreign(picture):
                        size_bytes = _file_size(picture) + _file_size(picture.with_suffix(".json"))
                        pairs.append((picture.stem, size_bytes))
            self._pairs = deque(sorted(pairs))
            self._count(self._pairs)
        return self._pairs

    def _count(self, pairs: deque[tuple[str, int]]) -> None:
        self.pictures, self.size_bytes = len(pairs), sum(size_bytes for _, size_bytes in pairs)


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
