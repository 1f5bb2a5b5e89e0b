"""Recognize archives that are no zip, and name the command that unpacks them."""

from pathlib import Path

_FORMATS = (
    (b"Rar!\x1a\x07", 0, "a RAR archive", "unrar x {}"),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7-Zip archive", "7z x {}"),
    (b"ustar", 257, "a tar archive", "tar xf {}"),
    (b"\x1f\x8b", 0, "a gzip archive", "tar xzf {}"),
    (b"BZh", 0, "a bzip2 archive", "tar xjf {}"),
    (b"\xfd7zXZ\x00", 0, "an xz archive", "tar xJf {}"),
    (b"\x28\xb5\x2f\xfd", 0, "a Zstandard archive", "tar --zstd -xf {}"),
)
# Tables in other forms, some of which are zips.
_TABLES = {
    ".xlsx": "a spreadsheet", ".xls": "a spreadsheet", ".ods": "a spreadsheet", ".numbers": "a spreadsheet",
    ".parquet": "a table", ".arrow": "a table", ".feather": "a table",
}  # fmt: skip
_ZIP = b"PK\x03\x04"


def describe_archive(path: Path) -> str | None:
    """Return what kind of archive a file is and how to unpack it; None if it is none, or cannot be read."""
    if kind := _TABLES.get(path.suffix.lower()):
        return f"{kind}; save it as CSV, with the columns path and label, and give that file"
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError:
        return None
    for magic, offset, kind, command in _FORMATS:
        if head[offset : offset + len(magic)] == magic:
            return f"{kind}; unpack it ({command.format(path.name)}) and give the folder"
    if head.startswith(_ZIP) and path.suffix.lower() != ".zip":
        return f"a zip; rename it to {path.stem}.zip"
    return None
