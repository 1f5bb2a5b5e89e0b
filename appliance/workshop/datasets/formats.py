"""Which files of a dataset are pictures: told by their first bytes, and held against what their names say.

AutoML takes JPEG, PNG, GIF, BMP and ICO. A file whose name says one format and whose content is another is not taken:
it is nearly always a web page or an error message saved under a picture's name, or a picture that other programs of the
operator will stumble over.
"""

from pathlib import PurePosixPath

from appliance.errors import PictureError
from appliance.imaging.files import picture_format
from appliance.workshop.datasets.dataset import MAX_PICTURE_BYTES, FileContainer, Problem

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "BMP": ".bmp", "ICO": ".ico"}
_FORMATS = {suffix: form for form, suffix in SUFFIXES.items()} | {".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG"}
# Picture formats that are not taken: a file named so was meant to be a picture.
_OTHERS = {".webp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".svg", ".jp2", ".jxl"}
_HEAD_BYTES = 64


def looked_at(shelf: FileContainer, key: str, name: str, is_named: bool = False) -> Problem | None:
    """What keeps a file from being taken as a picture, by its name, its size and its first bytes; None where nothing does.

    Args:
        shelf: Where it lies, under `key`.
        key: See examples.Shelf.
        name: What people call it.
        is_named: Whether somebody listed it as a picture, so that it cannot be passed over as something else.
    """
    suffix = PurePosixPath(name).suffix.lower()
    named = _FORMATS.get(suffix)
    try:
        found = picture_format(shelf.read(key, _HEAD_BYTES))
        size_bytes = shelf.size_bytes(key)
    except PictureError as error:
        return Problem("unreadable", name, str(error))
    if named is None and found is None and suffix not in _OTHERS:
        if is_named:
            return Problem("unreadable", name, f"{name} is no picture.")
        return Problem("passed_over", name, f"{name} is no picture and was passed over.")
    if size_bytes > MAX_PICTURE_BYTES:
        limit = f"the {MAX_PICTURE_BYTES // 1_000_000} MB that a picture may have"
        return Problem("too_large", name, f"{name} has {size_bytes / 1e6:.1f} MB, more than {limit}: make it smaller.")
    if named is None and suffix and found in SUFFIXES:
        says = f"{name} is {found} inside, which its name does not say: rename it to {SUFFIXES[found]}."
        return Problem("wrong_format", name, says)
    if found is None and named is not None:
        return Problem("unreadable", name, f"{name} is no picture, though its name says {named}.")
    if found not in SUFFIXES:
        return Problem(
            "wrong_format", name, f"{name} is {found or suffix[1:].upper()}: JPEG, PNG, GIF, BMP and ICO are taken."
        )
    if named is not None and named != found:
        says = f"{name} is {found} inside, though its name says {named}: rename it to {SUFFIXES[found]}."
        return Problem("wrong_format", name, says)
    return None
