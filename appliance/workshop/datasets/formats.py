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
    ".svg", ".jp2", ".jxl", ".psd", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".ppm", ".pgm", ".tga",
}  # fmt: skip
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
        actual = detect_picture_format(container.read(key, _HEAD_BYTES))
        size_bytes = container.get_size_bytes(key)
    except PictureError as error:
        return Problem(ProblemKind.UNREADABLE, name, str(error))
    if claimed is None and actual is None and suffix not in _UNSUPPORTED_SUFFIXES:
        if is_listed:
            return Problem(ProblemKind.UNREADABLE, name, f"{name} is not a picture")
        return Problem(ProblemKind.SKIPPED, name, f"{name} is not a picture and was skipped")
    if size_bytes > MAX_PICTURE_BYTES:
        limit = f"{MAX_PICTURE_BYTES // 1_000_000} MB, the limit for a picture"
        message = f"{name} has {size_bytes / 1e6:.1f} MB, more than {limit}; make it smaller"
        return Problem(ProblemKind.TOO_LARGE, name, message)
    return _compare_formats(name, suffix, claimed, actual)


def _compare_formats(name: str, suffix: str, claimed: str | None, actual: str | None) -> Problem | None:
    if actual is None and claimed is not None:
        return Problem(ProblemKind.UNREADABLE, name, f"{name} is not a picture, although its name claims {claimed}")
    if actual not in SUFFIXES:
        message = f"{name} is {actual or suffix[1:].upper()}; supported formats are {SUPPORTED}"
        return Problem(ProblemKind.WRONG_FORMAT, name, message)
    if claimed is None and suffix:
        message = f"{name} contains {actual}, which its name does not show; rename it to {SUFFIXES[actual]}"
        return Problem(ProblemKind.WRONG_FORMAT, name, message)
    if claimed is not None and claimed != actual:
        message = f"{name} contains {actual}, although its name claims {claimed}; rename it to {SUFFIXES[actual]}"
        return Problem(ProblemKind.WRONG_FORMAT, name, message)
    return None
