"""The folder of collected frames: STEM.jpg, with the model's predictions in STEM.json.

STEM is the time and the frame's number. The sidecar is written before its picture, and each file appears complete, so a
copy of the folder contains no picture without a sidecar. Frames that a person moved or renamed are left alone: only
files with such names directly in the folder are counted and removed.

The wall clock may be set, so age is not taken from names: each picture's modification time is later than that of the
picture before it. What a kill leaves (a temporary file, or a sidecar without its picture) is removed when the folder is
opened. One process uses the folder at a time, for which it locks the folder itself (`claim`).
"""

import fcntl
import json
import os
import re
import shutil
import stat
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import PictureError
from appliance.imaging.files import read_picture
from appliance.system.atomic_files import write_atomically
from appliance.system.timestamps import to_rfc3339

FOLDER_NAME = "collected"
"""The folder in the state folder for collected frames, unless collect.dir names another one."""

# Space left free for other uses of the disk, because pictures must not prevent events from being stored.
KEPT_FREE_BYTES = 100_000_000
_STEM = re.compile(r"\d{8}-\d{6}-\d{3}-\d+")
# A temporary file of write_atomically: .STEM.SUFFIX.RANDOM
_PARTIAL = re.compile(rf"\.{_STEM.pattern}\.(jpg|json)\..*")


@dataclass(frozen=True, slots=True, order=True)
class _Pair:
    """A picture and its sidecar.

    Attributes:
        order_ns: The picture's modification time, which orders pairs by age.
        stem: The name of both files without the suffix.
        size_bytes: The size of both files.
    """

    order_ns: int
    stem: str
    size_bytes: int


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
        self._pairs: deque[_Pair] | None = None  # oldest first
        self._lock: int | None = None

    def claim(self) -> None:
        """Create the folder if it is missing, and lock it against other processes until `close`.

        Raises:
            OSError: The folder cannot be created or opened, or another process has locked it.
        """
        if self._lock is not None and self._is_same_folder(self._lock):
            return
        self.close()
        self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise OSError("another daemon collects frames in it; give each device a collect.dir of its own") from error
        except OSError:
            pass  # a file system without locks
        self._lock, self._pairs = descriptor, None

    def close(self) -> None:
        """Let another process use the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def limit(self, max_bytes: int) -> None:
        """Change the maximum total size, and remove the oldest pairs beyond it at once.

        Raises:
            OSError: The folder cannot be read, or a pair cannot be removed.
        """
        self._max_bytes = max_bytes
        if self.path.is_dir():
            self._remove_oldest(self._list_pairs(), 0)

    def read_again(self) -> None:
        """Count the pairs again, because others were moved out of the folder or back.

        Raises:
            OSError: The folder cannot be read.
        """
        self._pairs = None
        if self.path.is_dir():
            self._list_pairs()

    def measure(self) -> None:
        """Count the pairs without changing anything; the folder need not exist.

        Raises:
            OSError: The folder cannot be read.
        """
        self._count(deque(self._read_pairs()))

    def read_newest(self, count: int) -> Iterator[np.ndarray]:
        """Yield the pixels of the newest pictures, oldest first; the folder need not exist.

        Raises:
            OSError: The folder cannot be read.
        """
        for pair in list(self._list_pairs())[-count:]:
            try:
                yield read_picture(self.path / f"{pair.stem}.jpg")
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
        order_ns = max(time.time_ns(), pairs[-1].order_ns + 1 if pairs else 0)
        os.utime(self.path / f"{stem}.jpg", ns=(order_ns, order_ns))
        pairs.append(_Pair(order_ns, stem, added_bytes))
        self._count(pairs)

    def _is_same_folder(self, descriptor: int) -> bool:
        """Return whether the folder is still the one that was locked, and was not replaced by a person."""
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except OSError:
            return False

    def _free_space(self, pairs: deque[_Pair], added_bytes: int) -> None:
        if added_bytes > self._max_bytes:
            raise OSError(f"one picture of {added_bytes} bytes exceeds collect.max_bytes; raise it")
        self._remove_oldest(pairs, added_bytes)
        if shutil.disk_usage(self.path).free - added_bytes < self._kept_free_bytes:
            raise OSError(f"less than {self._kept_free_bytes // 1_000_000} MB are free on its disk; free disk space")

    def _remove_oldest(self, pairs: deque[_Pair], added_bytes: int) -> None:
        while pairs and self.size_bytes + added_bytes > self._max_bytes:
            for suffix in (".jpg", ".json"):
                (self.path / f"{pairs[0].stem}{suffix}").unlink(missing_ok=True)
            pairs.popleft()
            self._count(pairs)

    def _list_pairs(self) -> deque[_Pair]:
        """Return every pair in the folder, oldest first; the folder is read, and partial files are removed, once."""
        if self._pairs is None:
            if self.path.is_dir():
                self._remove_partial_files()
            self._pairs = deque(sorted(self._read_pairs()))
            self._count(self._pairs)
        return self._pairs

    def _read_pairs(self) -> Iterator[_Pair]:
        if not self.path.is_dir():
            return
        for picture in self.path.glob("*.jpg"):
            if _STEM.fullmatch(picture.stem) and (status := _file_status(picture)):
                sidecar = _file_status(picture.with_suffix(".json"))
                yield _Pair(status.st_mtime_ns, picture.stem, status.st_size + (sidecar.st_size if sidecar else 0))

    def _remove_partial_files(self) -> None:
        for path in list(self.path.iterdir()):
            is_lonely = path.suffix == ".json" and _STEM.fullmatch(path.stem) and not path.with_suffix(".jpg").exists()
            if (is_lonely or _PARTIAL.fullmatch(path.name)) and _file_status(path):
                path.unlink(missing_ok=True)

    def _count(self, pairs: deque[_Pair]) -> None:
        self.pictures, self.size_bytes = len(pairs), sum(pair.size_bytes for pair in pairs)


def _file_status(path: Path) -> os.stat_result | None:
    """Return the status of a regular file; None for anything else in its place."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None
