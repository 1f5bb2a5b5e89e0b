"""Unpacks a bundle's zip into a folder of its own, and nothing outside it.

A zip comes over the network, so nothing in it is believed: names that climb out, links, entries that are neither
file nor folder, two entries of one name and more than MAX_UNPACKED_BYTES are refused before or while unpacking.
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
from appliance.errors import BundleError, ModelError

MAX_UNPACKED_BYTES = 256 * 1024 * 1024
# A bundle has three files; what brings more than this is something else, or made to fill the disk with names.
MAX_ENTRIES = 1000


# What a system says to a name that is too long, or that it does not take.
_BAD_NAMES = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)


# The earliest date that a zip can hold.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


class TemporaryFolder:
    """A private folder that lives as long as this object, and at most as long as the program."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="appliance-bundle-"))
        self._remover = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def unpack(archive_file: Path) -> TemporaryFolder:
    """Unpacks a zip.

    Returns:
        The folder; its files go when it does.

    Raises:
        BundleError: It is not a zip, is damaged or encrypted, or holds what is refused here.
        ModelError: There is no room to unpack it.
    """
    try:
        archive = zipfile.ZipFile(archive_file)
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise BundleError(f"{archive_file} is not a zip file, or it is cut short: copy or make it again.") from error
    except OSError as error:
        raise BundleError(f"{archive_file} cannot be read: {error.strerror or error}.") from error
    with archive:
        _check(archive, archive_file)
        folder = TemporaryFolder()
        for entry in archive.infolist():
            target = folder.path / PurePosixPath(entry.filename)
            try:
                if entry.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(archive, entry, target, archive_file)
            except OSError as error:
                if error.errno in _BAD_NAMES:
                    says = f"its entry {entry.filename[:80]!r} has a name that no file here can have"
                    raise BundleError(f"{archive_file} is refused: {says} ({error.strerror}).") from error
                raise ModelError(
                    f"{archive_file} cannot be unpacked into {folder.path}: {error.strerror or error}."
                ) from error
    return folder


def write_zip(
    file: IO[bytes],
    entries: Iterable[tuple[str | zipfile.ZipInfo, bytes]],
    *,
    compress: bool = False,
    mode: int = stat.S_IFREG | 0o644,
) -> None:
    """Write a zip with fixed dates: the same entries give the same bytes, at any time and under any account.

    Args:
        file: A binary file open for writing; the zip starts at its current position.
        entries: The name and the content of each file; an entry of another zip is written with its own attributes.
        compress: Deflate the entries; models and pictures hardly get smaller.
        mode: The st_mode of the entries that are given by name.

    Raises:
        OSError: The file cannot be written.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries:
            entry = name
            if isinstance(entry, str):
                entry = zipfile.ZipInfo(entry, _ZIP_DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
                entry.create_system, entry.external_attr = 3, mode << 16  # 3: Unix
            archive.writestr(entry, content)


def _check(archive: zipfile.ZipFile, archive_file: Path) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise BundleError(
            f"{archive_file} holds {len(entries)} entries, more than the {MAX_ENTRIES} that are unpacked."
        )
    seen: set[PurePosixPath] = set()
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if not is_inside(entry.filename) or "\\" in entry.filename:
            raise BundleError(f"{archive_file} is refused: its entry {entry.filename!r} leads out of the bundle.")
        if kind == stat.S_IFLNK:
            raise BundleError(
                f"{archive_file} is refused: its entry {entry.filename!r} is a link; pack the file itself."
            )
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise BundleError(
                f"{archive_file} is refused: its entry {entry.filename!r} is neither a file nor a folder."
            )
        if entry.flag_bits & 1:
            raise BundleError(f"{archive_file} is refused: its entry {entry.filename!r} is encrypted.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BundleError(
                f"{archive_file} is refused: its entry {entry.filename!r} is packed neither stored nor deflated."
            )
        path = PurePosixPath(entry.filename)
        if path in seen:
            raise BundleError(f"{archive_file} is refused: it holds {entry.filename!r} twice.")
        seen.add(path)
    if any(parent in seen and not _is_folder(archive, parent) for path in seen for parent in path.parents):
        raise BundleError(f"{archive_file} is refused: one of its entries is a file and a folder at once.")
    total_bytes = sum(entry.file_size for entry in entries)
    if total_bytes > MAX_UNPACKED_BYTES:
        raise BundleError(
            f"{archive_file} would unpack to {total_bytes >> 20} MiB, more than {MAX_UNPACKED_BYTES >> 20} MiB."
        )


def _is_folder(archive: zipfile.ZipFile, path: PurePosixPath) -> bool:
    return f"{path}/" in archive.NameToInfo


def _copy(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, archive_file: Path) -> None:
    """Unpacks one file. zipfile gives no byte more than the entry declares, so the declared sizes bound the real ones."""
    with target.open("wb") as out:
        try:
            with archive.open(entry) as packed:
                shutil.copyfileobj(packed, out, 1 << 18)
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError) as error:
            raise BundleError(
                f"{archive_file} is damaged: its entry {entry.filename!r} cannot be unpacked ({error})."
            ) from error
