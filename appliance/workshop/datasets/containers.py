"""Read the files of a dataset from a folder, from a zip, or by path, without trusting them.

A zip is never unpacked to disk: its pictures are read one at a time, up to the size limit of a picture, so that a zip
bomb costs only one read. Links inside a folder are not followed, so that an untrusted dataset cannot refer to files
outside the folder.
"""

import os
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

from appliance.errors import DatasetError, PictureError, describe_os_error, describe_unreadable
from appliance.workshop.datasets.problems import Problem, ProblemKind, is_printable

# zipfile reads the whole central directory into memory; this limit is enough for 150,000 pictures with long names.
MAX_DIRECTORY_BYTES = 16 * 1024 * 1024
# Pictures hardly shrink in a zip, so a zip that exceeds both this ratio and the harmless size is a zip bomb.
_MAX_COMPRESSION_RATIO = 100
_HARMLESS_BYTES = 1 << 30
# Files and folders that operating systems leave behind.
_SYSTEM_FILES = {"__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir"}

# The errors that zipfile raises for a damaged entry (NotImplementedError is a RuntimeError, as for an encrypted one).
_DAMAGE_ERRORS = (KeyError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError)


class FileContainer(Protocol):
    """A set of files. Safe to use from several threads."""

    def read(self, key: str, limit_bytes: int) -> bytes:
        """Return a file's first bytes, at most `limit_bytes`.

        Raises:
            PictureError: The file is missing, or cannot be read or unpacked.
        """
        ...

    def get_size_bytes(self, key: str) -> int:
        """Return a file's unpacked size.

        Raises:
            PictureError: The file is missing.
        """
        ...


class FileList:
    """Files anywhere on the disk, by their full path."""

    def read(self, key: str, limit_bytes: int) -> bytes:
        """Return a file's first bytes (see FileContainer)."""
        self.get_size_bytes(key)  # rejects a pipe or a device, from which reading might never end
        return _read_file(Path(key), limit_bytes)

    def get_size_bytes(self, key: str) -> int:
        """Return a file's size (see FileContainer)."""
        status = _get_status(Path(key))
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(f"{key} is not a file")
        return status.st_size


class FolderContainer:
    """The files in a folder and its subfolders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._empty: list[str] = []

    def list_empty_folders(self) -> list[str]:
        """Return the paths of the folders in which `list_files` found nothing."""
        return sorted(self._empty)

    def list_files(self) -> tuple[list[str], list[Problem]]:
        """Return the relative path of every file, sorted, and the problems; an unreadable subfolder is a problem.

        Raises:
            DatasetError: The folder itself cannot be read.
        """
        names: list[str] = []
        problems: list[Problem] = []
        folders = [""]
        self._empty = []
        while folders:
            parent = folders.pop()
            entries = self._list_entries(parent, problems)
            if entries == [] and parent:
                self._empty.append(parent)
            for name, entry in entries or []:
                kind = ProblemKind.LOST_LABEL if entry.is_dir() else ProblemKind.REFUSED
                if not is_printable(name):
                    problems.append(_unprintable_name(name, kind))
                elif entry.is_symlink():
                    what = "folder" if entry.is_dir() else "file"
                    problems.append(Problem(kind, name, f"{name} is a link; replace it with the {what} itself"))
                elif entry.is_dir():
                    folders.append(name)
                elif entry.is_file():
                    names.append(name)
                else:
                    problems.append(Problem(ProblemKind.REFUSED, name, f"{name} is neither a file nor a folder"))
        return sorted(names), sorted(problems, key=lambda problem: problem.name)

    def read(self, key: str, limit_bytes: int) -> bytes:
        """Return a file's first bytes (see FileContainer)."""
        return _read_file(self.folder / key, limit_bytes)

    def get_size_bytes(self, key: str) -> int:
        """Return a file's size (see FileContainer)."""
        return _get_status(self.folder / key).st_size

    def _list_entries(self, parent: str, problems: list[Problem]) -> list[tuple[str, os.DirEntry[str]]] | None:
        """Return (path, entry) of what is in a folder; None, with a problem, if it cannot be read."""
        try:
            with os.scandir(self.folder / parent) as entries:
                listing = list(entries)
        except OSError as error:
            reason = describe_os_error(error)
            if not parent:
                raise DatasetError(f"{self.folder} cannot be read: {reason}") from error
            problems.append(Problem(ProblemKind.LOST_LABEL, parent, f"the folder {parent} cannot be read: {reason}"))
            return None
        prefix = f"{parent}/" if parent else ""
        return [(prefix + entry.name, entry) for entry in listing if not is_system_file(entry.name)]


class ZipContainer:
    """The entries of a zip. Each process opens it separately, because a shared file position would mix up reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._opened: tuple[int, zipfile.ZipFile] | None = None

    def __getstate__(self) -> Path:
        return self.path

    def __setstate__(self, path: Path) -> None:
        self.path, self._lock, self._opened = path, threading.Lock(), None

    def list_files(self) -> tuple[list[str], list[Problem]]:
        """Return every file's name, sorted, and the problems.

        Raises:
            DatasetError: The file is not a zip, is truncated, or is a zip bomb.
        """
        archive = self._open_archive()
        entries = archive.infolist()
        unpacked_bytes, packed_bytes = sum(entry.file_size for entry in entries), self.path.stat().st_size
        if unpacked_bytes > max(_HARMLESS_BYTES, _MAX_COMPRESSION_RATIO * packed_bytes):
            sizes = f"{packed_bytes / 1e6:.1f} MB would unpack to {unpacked_bytes / 1e9:.1f} GB"
            raise DatasetError(f"{self.path} is refused as a zip bomb: {sizes}, which is impossible for pictures")
        names: dict[str, None] = {}
        refused: dict[str, str] = {}
        problems = []
        for entry in entries:
            name = entry.filename
            if entry.is_dir() or any(is_system_file(part) for part in name.split("/")):
                continue
            if not is_printable(name):
                problems.append(_unprintable_name(name))
                refused[name] = "has a name that cannot be printed; rename it"
            elif reason := _refusal_reason(entry):
                refused[name] = reason
                problems.append(Problem(ProblemKind.REFUSED, name, f"{name!r} {reason}"))
            elif name in names:
                problems.append(
                    Problem(ProblemKind.REFUSED, name, f"{name!r} is in the zip twice; the last one is used")
                )
            else:
                names[name] = None
        return sorted(names), [*problems, *_find_lost_folders(names, refused)]

    def list_empty_folders(self) -> list[str]:
        """Return the paths of the folders in which there is no entry."""
        entries = self._open_archive().namelist()
        used = {str(parent) for name in entries for parent in PurePosixPath(name).parents}
        folders = [name.rstrip("/") for name in entries if name.endswith("/")]
        return [
            name for name in folders
            if name not in used and is_printable(name) and not any(map(is_system_file, name.split("/")))
        ]  # fmt: skip

    def read(self, key: str, limit_bytes: int) -> bytes:
        """Return an entry's first bytes (see FileContainer); zipfile never returns more than the declared size."""
        try:
            with self._open_archive().open(key) as entry:
                return entry.read(limit_bytes)
        except _DAMAGE_ERRORS as error:
            raise PictureError(f"{key} in {self.path} is damaged and cannot be unpacked: {error}") from error
        except (OSError, DatasetError) as error:
            raise PictureError(f"{key} in {self.path} cannot be read: {error}") from error

    def get_size_bytes(self, key: str) -> int:
        """Return an entry's unpacked size (see FileContainer)."""
        try:
            return self._open_archive().getinfo(key).file_size
        except (KeyError, DatasetError) as error:
            raise PictureError(f"{key} in {self.path} cannot be read: {error}") from error

    def _open_archive(self) -> zipfile.ZipFile:
        with self._lock:
            if self._opened is None or self._opened[0] != os.getpid():
                self._opened = os.getpid(), _open_zip(self.path)
            return self._opened[1]


def is_system_file(name: str) -> bool:
    """Return whether an operating system created this file or folder, or hides it."""
    return (name.startswith(".") and name not in (".", "..")) or name in _SYSTEM_FILES


def is_outside_folder(name: str) -> bool:
    """Return whether a relative path points outside its folder on any operating system."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\\" in name or "\x00" in name or name[1:2] == ":"


def find_sidecars(names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (picture, sidecar) for each .json file with the same stem as a picture in the same folder."""
    known = {name.rpartition(".")[0]: name for name in names if name.lower().endswith(".json")}
    for name in names:
        if (sidecar := known.get(name.rpartition(".")[0])) and sidecar != name:
            yield name, sidecar


def _read_file(path: Path, limit_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit_bytes)
    except OSError as error:
        raise PictureError(describe_unreadable(path, error)) from error


def _get_status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise PictureError(describe_unreadable(path, error)) from error


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        if (directory_bytes := _read_directory_bytes(path)) > MAX_DIRECTORY_BYTES:
            raise DatasetError(
                f"{path} has a list of names of {directory_bytes >> 20} MiB, more than the limit of "
                f"{MAX_DIRECTORY_BYTES >> 20} MiB; pack fewer pictures into one zip"
            )
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise DatasetError(f"{path} is not a zip file, or is truncated; copy or create it again") from error
    except OSError as error:
        raise DatasetError(describe_unreadable(path, error)) from error


def _read_directory_bytes(path: Path) -> int:
    """Read the size of a zip's central directory from its end record (APPNOTE 4.3.14 to 4.3.16); 0 if there is none."""
    with path.open("rb") as file:
        size_bytes = file.seek(0, os.SEEK_END)
        start = file.seek(max(0, size_bytes - 22 - 20 - 0xFFFF))
        tail = file.read()
        end = tail.rfind(b"PK\x05\x06")
        if end < 0 or len(tail) - end < 22:
            return 0
        directory_bytes = int.from_bytes(tail[end + 12 : end + 16], "little")
        # Like zipfile, expect the 64-bit record directly before its locator, and the locator directly before the end
        # record.
        if end >= 20 and tail[end - 20 : end - 16] == b"PK\x06\x07" and start + end >= 76:
            file.seek(start + end - 76)
            record = file.read(56)
            if record.startswith(b"PK\x06\x06"):
                directory_bytes = int.from_bytes(record[40:48], "little")
        return directory_bytes


def _unprintable_name(name: str, kind: ProblemKind = ProblemKind.REFUSED) -> Problem:
    return Problem(kind, repr(name), f"{name!r} has a name that cannot be printed; rename it")


def _find_lost_folders(names: Collection[str], refused: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each folder of which every entry is refused: name of the entry → reason."""
    known = {name.rpartition("/")[0] for name in names}
    lost: dict[str, str] = {}
    for name, reason in refused.items():
        folder = name.rpartition("/")[0]
        if folder and folder not in known and ".." not in folder.split("/"):
            lost.setdefault(folder, reason)
    for folder, reason in lost.items():
        shown = folder if is_printable(folder) else repr(folder)
        message = f"all pictures in {shown} are refused: the first one {reason}"
        yield Problem(ProblemKind.LOST_LABEL, shown, message)


def _refusal_reason(entry: zipfile.ZipInfo) -> str | None:
    """Return the reason why an entry is refused, or None if it is accepted."""
    file_type = stat.S_IFMT(entry.external_attr >> 16)
    if "\\" in entry.filename and not is_outside_folder(entry.filename.replace("\\", "/")):
        return "has backslashes instead of slashes, which some Windows programs write; pack it with another program"
    reasons = {
        "points outside the zip's folder": is_outside_folder(entry.filename),
        "is a link; pack the file itself": file_type == stat.S_IFLNK,
        "is neither a file nor a folder": file_type not in (0, stat.S_IFREG),
        "is encrypted; pack it without a password": entry.flag_bits & 1,
        "is compressed with an unsupported method; pack it stored or deflated": entry.compress_type
        not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
    }
    return next((reason for reason, applies in reasons.items() if applies), None)
