"""Recognize archives that are no zip, and name the command that unpacks them."""

import bz2
import gzip
import lzma
import re
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, cast

from appliance.workshop.datasets.formats import is_picture_suffix

_FORMATS = (
    (b"Rar!\x1a\x07", 0, "a RAR archive", "unrar x {}"),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7-Zip archive", "7z x {}"),
    (b"ustar", 257, "a tar archive", "tar xf {}"),
    (b"\x1f\x8b", 0, "a gzip archive", "tar xzf {}"),
    (b"BZh", 0, "a bzip2 archive", "tar xjf {}"),
    (b"\xfd7zXZ\x00", 0, "an xz archive", "tar xJf {}"),
    (b"\x28\xb5\x2f\xfd", 0, "a Zstandard archive", "tar --zstd -xf {}"),
)
# Suffix → first bytes and program of files that are compressed alone, unless they contain a tar archive.
_SINGLE = {".gz": (b"\x1f\x8b", "gunzip"), ".bz2": (b"BZh", "bunzip2"), ".xz": (b"\xfd7zXZ", "unxz")}
# Tables in other forms, some of which are zips.
_TABLES = {
    ".xlsx": "a spreadsheet", ".xls": "a spreadsheet", ".ods": "a spreadsheet", ".numbers": "a spreadsheet",
    ".parquet": "a table", ".arrow": "a table", ".feather": "a table",
}  # fmt: skip
_ZIP = b"PK\x03\x04"
# The parts of a divided archive: set.zip.001, set.7z.002, and set.z01.
_PART = re.compile(r".+\.(zip|7z)\.\d{3}", re.IGNORECASE)
_ZIP_PART = re.compile(r"\.z\d\d", re.IGNORECASE)


def describe_archive(path: Path) -> str | None:
    """Return what kind of archive a file is and how to unpack it; None if it is none, or cannot be read."""
    if kind := _TABLES.get(path.suffix.lower()):
        return f"{kind}; save it as CSV, with the columns path and label, and give that file"
    return _describe_part(path) or _describe_content(path)


def _describe_content(path: Path) -> str | None:
    """Return what kind of archive a file is by its first bytes, and how to unpack it; None for any other file."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError:
        return None
    suffix = path.suffix.lower()
    if suffix in _SINGLE and head.startswith(_SINGLE[suffix][0]) and _is_single_file(path, suffix):
        return f"a compressed file; unpack it ({_SINGLE[suffix][1]} {path.name}) and give {path.stem}"
    for magic, offset, kind, command in _FORMATS:
        if head[offset : offset + len(magic)] == magic:
            return f"{kind}; unpack it ({command.format(path.name)}) and give the folder"
    if head.startswith(_ZIP) and suffix != ".zip":
        return f"a zip; rename it to {path.stem}.zip" if _has_pictures(path) else "a zip without pictures"
    return None


def _describe_part(path: Path) -> str | None:
    """Return how to join the parts of a divided archive; None for any other file."""
    if _PART.fullmatch(path.name):
        whole = path.name.rpartition(".")[0]
        return f"a part of an archive; join the parts (cat {whole}.* > joined.zip) and give joined.zip"
    if _ZIP_PART.fullmatch(path.suffix) or (path.suffix.lower() == ".zip" and path.with_suffix(".z01").exists()):
        return f"a part of a zip; join the parts (zip -s 0 {path.stem}.zip --out joined.zip) and give joined.zip"
    return None


def _has_pictures(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(is_picture_suffix(PurePosixPath(name).suffix) for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        return True  # what is wrong with it is reported when it is read as a zip


def _is_single_file(path: Path, suffix: str) -> bool:
    """Return whether a compressed file is no tar archive."""
    try:
        with path.open("rb") as packed, _unpack(packed, suffix) as file:
            return file.read(512)[257:262] != b"ustar"
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return False


def _unpack(file: IO[bytes], suffix: str) -> IO[bytes]:
    if suffix == ".gz":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    return bz2.BZ2File(file) if suffix == ".bz2" else lzma.LZMAFile(file)
