"""The folder of collected frames: STEM.jpg, with STEM.json beside it that says what the model made of it.

STEM is the time and the frame's number, so that names sort by age. The guess is written before its picture and the picture
appears at once as a whole, so whoever copies the folder finds no half of a pair that matters. Frames that a person moved or
renamed are theirs: only files of this form directly in the folder are counted and removed.
"""

import json
import os
import re
import shutil
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import PictureError
from appliance.imaging.files import read_picture

# What is left free for others: the outbox of events must not fail because of pictures.
KEPT_FREE_BYTES = 100_000_000
_STEM = re.compile(r"\d{8}-\d{6}-\d{3}-\d+")


class CollectedFolder:
    """Written by one thread; `pictures` and `size_bytes` may be read by any."""

    def __init__(self, path: Path, max_bytes: int, kept_free_bytes: int = KEPT_FREE_BYTES):
        """Nothing is made or read yet.

        Args:
            path: The folder.
            max_bytes: What the pairs in it take at the most.
            kept_free_bytes: What is left free on its disk.
        """
        self.path = path
        self.pictures = self.size_bytes = 0
        self._max_bytes = max_bytes
        self._kept_free_bytes = kept_free_bytes
        self._stems: deque[tuple[str, int]] | None = None

    def newest(self, count: int) -> Iterator[np.ndarray]:
        """The pixels of the newest pictures, oldest of them first; the folder may be missing.

        Raises:
            OSError: The folder cannot be read.
        """
        for stem, _ in list(self._known())[-count:]:
            try:
                yield read_picture(self.path / f"{stem}.jpg")
            except PictureError:
                continue  # it was taken away, or a power cut left it damaged: it only will not be compared with

    def add(self, time_s: float, number: int, picture: bytes, guess: dict[str, Any]) -> None:
        """Writes a pair and removes the oldest ones where the folder would grow beyond its limit.

        Args:
            time_s: When the frame was taken, seconds since 1970 UTC.
            number: The frame's number.
            picture: A JPEG.
            guess: The sidecar, with `time` in seconds, which is written as RFC 3339.

        Raises:
            OSError: The folder cannot be written to, the disk is full, or the picture alone is above the limit.
        """
        moment = datetime.fromtimestamp(time_s, UTC)
        stem = f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03d}-{number}"
        said = guess | {
            "picture": f"{stem}.jpg",
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        sidecar = json.dumps(said, ensure_ascii=False, indent=1).encode()
        added_bytes = len(picture) + len(sidecar)
        self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        stems = self._known()
        self._make_room(stems, added_bytes)
        paths = self.path / f"{stem}.json", self.path / f"{stem}.jpg"
        try:
            for path, content in zip(paths, (sidecar, picture), strict=True):
                _write(path, content)
        except BaseException:
            paths[0].unlink(missing_ok=True)
            raise
        stems.append((stem, added_bytes))
        self._count(stems)

    def _make_room(self, stems: deque[tuple[str, int]], added_bytes: int) -> None:
        if added_bytes > self._max_bytes:
            raise OSError(f"one picture of {added_bytes} bytes is more than collect.max_bytes allows")
        while stems and self.size_bytes + added_bytes > self._max_bytes:
            stem, _ = stems[0]
            for suffix in (".jpg", ".json"):
                (self.path / f"{stem}{suffix}").unlink(missing_ok=True)
            stems.popleft()
            self._count(stems)
        if shutil.disk_usage(self.path).free - added_bytes < self._kept_free_bytes:
            raise OSError(f"less than {self._kept_free_bytes // 1_000_000} MB are free on its disk")

    def _known(self) -> deque[tuple[str, int]]:
        """(stem, bytes of both files) of every pair in the folder, oldest first; read once."""
        if self._stems is None:
            pairs = []
            if self.path.is_dir():
                for picture in self.path.glob("*.jpg"):
                    if _STEM.fullmatch(picture.stem):
                        pairs.append((picture.stem, _size_bytes(picture) + _size_bytes(picture.with_suffix(".json"))))
            self._stems = deque(sorted(pairs))
            self._count(self._stems)
        return self._stems

    def _count(self, stems: deque[tuple[str, int]]) -> None:
        self.pictures, self.size_bytes = len(stems), sum(size_bytes for _, size_bytes in stems)


def _write(path: Path, content: bytes) -> None:
    """Appears whole; not synced, since a frame lost in a power cut is no loss."""
    temporary = path.with_name(f".{path.name}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
