"""Where a dataset's files lie: below a folder, or in a zip. Both are read without trust and without unpacking.

A zip is never unpacked to disk: its pictures are read one at a time, each within the limit for a picture, so that a
bomb costs one read. A folder's links are not followed, so that a dataset from somebody else cannot name files outside.
"""

import os
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from appliance.errors import DatasetError, PictureError
from appliance.workshop.datasets.dataset import Problem, can_be_shown

# A zip's list of names is read as a whole: this much is 150,000 pictures with long names, and more is made to fill the memory.
MAX_DIRECTORY_BYTES = 16 * 1024 * 1024
# Pictures hardly shrink in a zip. What swells more than this, beyond a size that nobody minds, is made to.
_MAX_SWELLING = 100
_UNMINDED_BYTES = 1 << 30
# What systems leave in folders and zips; nobody wants to hear of it.
_LITTER = {"__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir"}


# What zipfile raises on a damaged entry (NotImplementedError, an encrypted one among them, is a RuntimeError).
_DAMAGE = (KeyError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError)


class FolderContainer:
    """The files below a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def listed(self) -> tuple[list[str], list[Problem]]:
        """Every file's path below the folder, sorted, and what is refused; a folder below that cannot be read is a problem.

        Raises:
            DatasetError: The folder itself cannot be read.
        """
        names: list[str] = []
        problems: list[Problem] = []
        folders = [""]
        while folders:
            below = folders.pop()
            try:
                entries = list(os.scandir(self.folder / below))
            except OSError as error:
                reason = error.strerror or str(error)
                if not below:
                    raise DatasetError(f"{self.folder} cannot be read: {reason}.") from error
                problems.append(Problem("unreadable", below, f"The folder {below} cannot be read: {reason}."))
                continue
            for entry in entries:
                name = f"{below}/{entry.name}" if below else entry.name
                if is_litter(entry.name):
                    continue
                if not can_be_shown(name):
                    problems.append(_unprintable(name))
                elif entry.is_symlink():
                    problems.append(Problem("refused", name, f"{name} is a link: put the file itself there."))
                elif entry.is_dir():
                    folders.append(name)
                elif entry.is_file():
                    names.append(name)
                else:
                    problems.append(Problem("refused", name, f"{name} is neither a file nor a folder."))
        return sorted(names), sorted(problems, key=lambda problem: problem.name)

    def read(self, key: str, limit_bytes: int) -> bytes:
        """See examples.Shelf."""
        path = self.folder / key
        try:
            with path.open("rb") as file:
                return file.read(limit_bytes)
        except OSError as error:
            raise PictureError(f"{path} cannot be read: {error.strerror or error}.") from error

    def size_bytes(self, key: str) -> int:
        """See examples.Shelf."""
        path = self.folder / key
        try:
            return path.stat().st_size
        except OSError as error:
            raise PictureError(f"{path} cannot be read: {error.strerror or error}.") from error


class ZipContainer:
    """The entries of a zip; each process that reads opens it anew, because a shared file position would mix up reads."""

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.Lock()
        self._opened: tuple[int, zipfile.ZipFile] | None = None

    def __getstate__(self) -> Path:
        return self.path

    def __setstate__(self, path: Path) -> None:
        self.__init__(path)

    def listed(self) -> tuple[list[str], list[Problem]]:
        """Every file's name, sorted, and what is refused.

        Raises:
            DatasetError: It is no zip, is cut short, or is made to fill the disk or the memory.
        """
        archive = self._archive()
        entries = archive.infolist()
        unpacked_bytes, packed_bytes = sum(entry.file_size for entry in entries), self.path.stat().st_size
        if unpacked_bytes > max(_UNMINDED_BYTES, _MAX_SWELLING * packed_bytes):
            sizes = f"{packed_bytes / 1e6:.1f} MB would unpack to {unpacked_bytes / 1e9:.1f} GB"
            raise DatasetError(f"{self.path} is refused as a zip bomb: {sizes}, which pictures never do.")
        names: dict[str, None] = {}
        problems = []
        for entry in entries:
            if entry.is_dir() or any(is_litter(part) for part in entry.filename.split("/")):
                continue
            if not can_be_shown(entry.filename):
                problems.append(_unprintable(entry.filename))
            elif refusal := _refusal(entry):
                problems.append(Problem("refused", entry.filename, f"{entry.filename!r} {refusal}."))
            elif entry.filename in names:
                says = f"{entry.filename!r} stands in the zip twice; the last is read."
                problems.append(Problem("refused", entry.filename, says))
            else:
                names[entry.filename] = None
        return sorted(names), problems

    def read(self, key: str, limit_bytes: int) -> bytes:
        """See examples.Shelf. zipfile gives no byte more than the entry declares."""
        try:
            with self._archive().open(key) as packed:
                return packed.read(limit_bytes)
        except _DAMAGE as error:
            raise PictureError(f"{key} in {self.path} is damaged and cannot be unpacked: {error}.") from error
        except (OSError, DatasetError) as error:
            raise PictureError(f"{key} in {self.path} cannot be read: {error}.") from error

    def size_bytes(self, key: str) -> int:
        """See examples.Shelf."""
        try:
            return self._archive().getinfo(key).file_size
        except (KeyError, DatasetError) as error:
            raise PictureError(f"{key} in {self.path} cannot be read: {error}.") from error

    def _archive(self) -> zipfile.ZipFile:
        with self._lock:
            if self._opened is None or self._opened[0] != os.getpid():
                try:
                    if (names_bytes := _directory_bytes(self.path)) > MAX_DIRECTORY_BYTES:
                        limit = f"the {MAX_DIRECTORY_BYTES >> 20} MiB that are read: pack fewer pictures into one zip"
                        raise DatasetError(
                            f"{self.path} has a list of names of {names_bytes >> 20} MiB, more than {limit}."
                        )
                    self._opened = os.getpid(), zipfile.ZipFile(self.path)
                except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
                    raise DatasetError(
                        f"{self.path} is not a zip file, or it is cut short: copy or make it again."
                    ) from error
                except OSError as error:
                    raise DatasetError(f"{self.path} cannot be read: {error.strerror or error}.") from error
            return self._opened[1]


def _directory_bytes(path: Path) -> int:
    """The size of a zip's list of names, by its end record (APPNOTE 4.3.14 to 4.3.16); 0 where there is none to be found."""
    with path.open("rb") as file:
        size_bytes = file.seek(0, os.SEEK_END)
        start = file.seek(max(0, size_bytes - 22 - 20 - 0xFFFF))
        tail = file.read()
        end = tail.rfind(b"PK\x05\x06")
        if end < 0 or len(tail) - end < 22:
            return 0
        (directory_bytes,) = struct.unpack_from("<I", tail, end + 12)
        # The 64-bit record lies right before its locator, which lies right before the end record; zipfile reads it there too.
        if end >= 20 and tail[end - 20 : end - 16] == b"PK\x06\x07" and start + end >= 76:
            file.seek(start + end - 76)
            record = file.read(56)
            if record.startswith(b"PK\x06\x06"):
                (directory_bytes,) = struct.unpack_from("<Q", record, 40)
        return directory_bytes


def is_litter(name: str) -> bool:
    """Whether a system left this file or folder there, or hides it."""
    return (name.startswith(".") and name not in (".", "..")) or name in _LITTER


def climbs(name: str) -> bool:
    """Whether a path leads, or on some system would lead, out of the folder that it is relative to."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\\" in name or "\x00" in name or name[1:2] == ":"


def sidecars(names: list[str]) -> Iterator[tuple[str, str]]:
    """(picture, sidecar) where a .json lies beside a picture of the same stem."""
    known = {name.rpartition(".")[0]: name for name in names if name.lower().endswith(".json")}
    for name in names:
        if (sidecar := known.get(name.rpartition(".")[0])) and sidecar != name:
            yield name, sidecar


def _unprintable(name: str) -> Problem:
    return Problem("refused", repr(name), f"{name!r} has a name that cannot be shown: rename it.")


def _refusal(entry: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if "\\" in entry.filename and not climbs(entry.filename.replace("\\", "/")):
        return "has backslashes where slashes belong, as some programs on Windows write them: pack it with another one"
    if climbs(entry.filename):
        return "leads out of the zip's folder"
    if kind == stat.S_IFLNK:
        return "is a link: pack the file itself"
    if kind not in (0, stat.S_IFREG):
        return "is neither a file nor a folder"
    if entry.flag_bits & 1:
        return "is encrypted: pack it without a password"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed neither stored nor deflated"
    return None
