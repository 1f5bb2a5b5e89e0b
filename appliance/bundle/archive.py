"""Unpack the zip of a bundle into a private folder, and write zips whose bytes depend only on their contents.

A zip may come from the network, so nothing in it is trusted: names that point outside of the folder, links, entries
that are neither a file nor a folder, duplicate entries, and content of more than MAX_UNPACKED_BYTES are rejected before
or during unpacking.
"""

import errno
import shutil
import stat
import struct
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO

from appliance.bundle.manifest import is_inside
from appliance.errors import BundleError, ModelError, describe_os_error, describe_unreadable
from appliance.system.leftover_files import make_folder_prefix

MAX_UNPACKED_BYTES = 256 * 1024 * 1024
# A bundle has three files; an archive with more entries than this is not a bundle, or was made to exhaust the inodes.
MAX_ENTRIES = 1000

# The errors for a name that the file system does not support, for example because it is too long.
_BAD_NAME_ERRORS = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
# The earliest date that a zip can hold.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


class TemporaryFolder:
    """A private folder that is removed with this object, and at the latest when the process ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=make_folder_prefix("bundle")))
        self._remover = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def unpack(archive_file: Path) -> TemporaryFolder:
    """Unpack a zip into a private folder.

    Returns:
        The folder; its files are removed when the object is collected.

    Raises:
        BundleError: The file is not a zip, is damaged or encrypted, or contains an entry that is rejected.
        ModelError: The zip cannot be unpacked because space or access rights are missing.
    """
    try:
        archive = zipfile.ZipFile(archive_file)
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise BundleError(f"{archive_file} is not a zip file, or is truncated; copy or create it again") from error
    except OSError as error:
        raise BundleError(describe_unreadable(archive_file, error)) from error
    with archive:
        _check(archive, archive_file)
        folder = TemporaryFolder()
        for entry in archive.infolist():
            try:
                _unpack_entry(archive, entry, folder.path, archive_file)
            except OSError as error:
                if error.errno in _BAD_NAME_ERRORS:
                    raise _reject(
                        archive_file,
                        f"the name of its entry {entry.filename[:80]!r} is not supported by this file system "
                        f"({describe_os_error(error)})",
                    ) from error
                raise ModelError(
                    f"{archive_file} cannot be unpacked into {folder.path}: {describe_os_error(error)}"
                ) from error
    return folder


def write_zip(
    file: IO[bytes],
    entries: Iterable[tuple[str | zipfile.ZipInfo, bytes]],
    *,
    compress: bool = False,
    mode: int = stat.S_IFREG | 0o644,
) -> None:
    """Write a zip with fixed dates: the same entries always produce the same bytes, under any account.

    Args:
        file: A binary file open for writing; the zip starts at its current position.
        entries: The name and the content of each file; an entry from another zip keeps its attributes.
        compress: Whether to deflate the entries; models and pictures hardly get smaller.
        mode: The st_mode of the entries that are given by name.

    Raises:
        OSError: The file cannot be written.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for entry, content in entries:
            if isinstance(entry, str):
                info = zipfile.ZipInfo(entry, _ZIP_DATE)
                info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
                info.create_system, info.external_attr = _UNIX, mode << 16
            else:
                info = entry
            archive.writestr(info, content)


def _check(archive: zipfile.ZipFile, archive_file: Path) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise BundleError(f"{archive_file} has {len(entries)} entries, more than the limit of {MAX_ENTRIES}")
    seen: set[PurePosixPath] = set()
    for entry in entries:
        if problem := _find_problem(entry):
            raise _reject(archive_file, f"its entry {entry.filename!r} {problem}")
        path = PurePosixPath(entry.filename)
        if path in seen:
            raise _reject(archive_file, f"it contains {entry.filename!r} twice")
        seen.add(path)
    if any(parent in seen and not _is_folder(archive, parent) for path in seen for parent in path.parents):
        raise _reject(archive_file, "one of its entries is both a file and a folder")
    total_bytes = sum(entry.file_size for entry in entries)
    if total_bytes > MAX_UNPACKED_BYTES:
        raise BundleError(
            f"{archive_file} would unpack to {total_bytes >> 20} MiB, more than the limit of "
            f"{MAX_UNPACKED_BYTES >> 20} MiB"
        )


def _find_problem(entry: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if not is_inside(entry.filename) or "\\" in entry.filename:
        return "points outside of the bundle"
    if kind == stat.S_IFLNK:
        return "is a link; pack the file itself"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is neither stored nor deflated"
    return None


def _reject(archive_file: Path, reason: str) -> BundleError:
    return BundleError(f"{archive_file} is rejected: {reason}")


def _is_folder(archive: zipfile.ZipFile, path: PurePosixPath) -> bool:
    return f"{path}/" in archive.NameToInfo


def _unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, archive_file: Path) -> None:
    """Unpack one entry; zipfile never yields more bytes than the entry declares, so the checked sizes hold."""
    target = folder / PurePosixPath(entry.filename)
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        try:
            with archive.open(entry) as packed:
                shutil.copyfileobj(packed, out, 1 << 18)
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError) as error:
            raise BundleError(
                f"{archive_file} is damaged: its entry {entry.filename!r} cannot be unpacked ({error})"
            ) from error
