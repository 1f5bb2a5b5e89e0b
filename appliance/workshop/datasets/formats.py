"""Decide by their first bytes which files of a dataset are pictures, and compare their formats with their names.

AutoML accepts JPEG, PNG, GIF, BMP, and ICO; WebP, TIFF, HEIC, and AVIF are read as well. A file whose content does not
match the format in its name is refused: it is nearly always a web page or an error message saved under a picture's
name, or a picture on which the operator's other programs will fail.
"""

from pathlib import PurePosixPath

from appliance.errors import PictureError
from appliance.imaging.files import detect_picture_format
from appliance.workshop.datasets.containers import FileContainer
from appliance.workshop.datasets.dataset import MAX_PICTURE_BYTES
from appliance.workshop.datasets.index_text import describe_other_file
from appliance.workshop.datasets.problems import Problem, ProblemKind

SUFFIXES = {
    "JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "BMP": ".bmp", "ICO": ".ico", "WEBP": ".webp", "TIFF": ".tif",
    "HEIC": ".heic", "AVIF": ".avif",
}  # fmt: skip
_FORMATS = {suffix: name for name, suffix in SUFFIXES.items()} | {
    ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".tiff": "TIFF", ".heif": "HEIC", ".hif": "HEIC", ".dib": "BMP",
}  # fmt: skip
# Suffixes of unsupported formats: a file with one of them was meant to be a picture.
_UNSUPPORTED_SUFFIXES = {
    ".svg", ".jp2", ".jxl", ".psd", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef",
    ".srw", ".ppm", ".pgm", ".tga",
}  # fmt: skip
_ARCHIVE_SUFFIXES = {".zip", ".rar", ".7z", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst"}
_PARTIAL_SUFFIXES = {".part", ".partial", ".crdownload", ".download", ".opdownload"}
SUPPORTED = "JPEG, PNG, GIF, BMP, ICO, WebP, TIFF, HEIC, and AVIF"
_HEAD_BYTES = 64


def is_picture_suffix(suffix: str) -> bool:
    """Return whether files with this suffix, such as .JPG, are meant to be pictures."""
    return suffix.lower() in _FORMATS or suffix.lower() in _UNSUPPORTED_SUFFIXES


def check_picture_file(container: FileContainer, key: str, name: str, *, is_listed: bool = False) -> Problem | None:
    """Return why a file cannot be used as a picture, by its name, size, and first bytes; None if it can.

    Args:
        container: Contains the file under `key`.
        key: See FileContainer.
        name: The file's name for people.
        is_listed: Whether an index lists the file as a picture, so that it cannot be skipped as something else.
    """
    suffix = PurePosixPath(name).suffix.lower()
    claimed = _FORMATS.get(suffix)
    try:
        head = container.read(key, _HEAD_BYTES)
        actual = detect_picture_format(head)
        size_bytes = container.get_size_bytes(key)
    except PictureError as error:
        return Problem(ProblemKind.UNREADABLE, name, str(error))
    if claimed is None and actual is None and suffix not in _UNSUPPORTED_SUFFIXES:
        if is_listed:
            return Problem(ProblemKind.UNREADABLE, name, f"{name} is not a picture")
        if suffix in _ARCHIVE_SUFFIXES:
            message = f"{name} is an archive, whose pictures are not read; unpack it there"
            return Problem(ProblemKind.UNREADABLE, name, message)
        return Problem(ProblemKind.SKIPPED, name, f"{name} is not a picture and was skipped")
    if size_bytes > MAX_PICTURE_BYTES:
        limit = f"{MAX_PICTURE_BYTES // 1_000_000} MB, the limit for a picture"
        message = f"{name} has {size_bytes / 1e6:.1f} MB, more than {limit}; make it smaller"
        return Problem(ProblemKind.TOO_LARGE, name, message)
    return _compare_formats(name, suffix, claimed, actual, describe_other_file(head))


def _compare_formats(
    name: str, suffix: str, claimed: str | None, actual: str | None, other: str | None
) -> Problem | None:
    if actual is None and claimed is not None:
        message = f"{name} is not a picture, {f'but {other}' if other else f'although its name claims {claimed}'}"
        return Problem(ProblemKind.UNREADABLE, name, message)
    if suffix in _PARTIAL_SUFFIXES:
        return Problem(ProblemKind.UNREADABLE, name, f"{name} is a download that did not finish; fetch it again")
    # A raw picture of a camera is a TIFF by its first bytes, of which only a small preview could be read.
    if actual not in SUFFIXES or suffix in _UNSUPPORTED_SUFFIXES:
        kind = suffix[1:].upper() if suffix in _UNSUPPORTED_SUFFIXES else actual
        message = f"{name} is {kind}; supported formats are {SUPPORTED}"
        return Problem(ProblemKind.WRONG_FORMAT, name, message)
    if claimed is None and suffix:
        message = f"{name} contains {actual}, which its name does not show; rename it to {SUFFIXES[actual]}"
        return Problem(ProblemKind.WRONG_FORMAT, name, message)
    if claimed is not None and claimed != actual:
        message = f"{name} contains {actual}, although its name claims {claimed}; rename it to {SUFFIXES[actual]}"
        return Problem(ProblemKind.WRONG_FORMAT, name, message)
    return None
