"""Read and write picture files with Pillow; no other module deals with picture formats.

Pixels are returned upright (with the EXIF orientation applied) and as RGB, so that no other module has to handle a
phone's orientation or a PNG's palette. Every fault of a file raises a PictureError with the file's name, so that one
unreadable picture does not affect the others.
"""

import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from appliance.errors import PictureError, describe_os_error, suggest_install

# This allows pictures from 100-megapixel cameras; a larger one was more likely made to exhaust the memory.
MAX_PX = 128_000_000

# Pillow warns about pictures that it can read (truncated EXIF data, a palette with transparency). The filter applies to
# the whole process, because a filter around one picture would be undone when another thread finishes with another one.
warnings.filterwarnings("ignore", module=r"PIL\.")

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)
# The brands in the first box of a file in the ISO base media format (ISO/IEC 23008-12 and the AVIF specification).
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}
_GENERIC_BRANDS = {b"mif1", b"msf1", b"miaf"}
_HEAD_BYTES = 64
_BMP_HEADERS_BYTES = (12, 16, 40, 52, 56, 64, 108, 124)


def read_picture(
    source: Path | BinaryIO, name: str | None = None, least_px: int | None = None, limit_px: int = MAX_PX
) -> np.ndarray:
    """Read a picture file.

    Alpha is dropped, as by Pillow's convert("RGB"). Only the first frame of an animation is read. Gray pictures with 16
    bits keep the upper 8 bits.

    Args:
        source: A file in any format that Pillow reads, or its content as a binary stream.
        name: The name for errors; required for a stream.
        least_px: The smallest sufficient length of each side. A JPEG may then be decoded at a half, a quarter or an
            eighth of its size, which is several times faster. None returns all pixels.
        limit_px: The greatest number of pixels of the whole picture, checked before it is decoded.

    Returns:
        (height, width, 3) uint8 RGB, upright by its EXIF orientation; a new array.

    Raises:
        PictureError: The file is missing, is not a picture, is damaged, or has more than `limit_px` pixels.
    """
    with _open_picture(source, name or str(source), limit_px) as image:
        if least_px is not None:
            image.draft(None, (least_px, least_px))
        return _convert_to_rgb(image)


def read_picture_size(source: Path | BinaryIO, name: str | None = None) -> tuple[int, int]:
    """Return (width, height) as stored in a picture file, without decoding its pixels.

    Raises:
        PictureError: As for read_picture.
    """
    with _open_picture(source, name or str(source)) as image:
        return image.size


def make_thumbnail(content: bytes, name: str, side_px: int) -> np.ndarray:
    """Return the whole picture stretched to a small square, for comparing pictures with each other.

    The whole file is decoded, so damage is detected.

    Args:
        content: The file's bytes.
        name: The name for errors.
        side_px: The side of the square.

    Returns:
        (side_px, side_px, 3) uint8 RGB.

    Raises:
        PictureError: As for read_picture.
    """
    # The filter reduces from at least four times the size, so that the size at which a JPEG is decoded has no effect.
    return resize_to_square(read_picture(io.BytesIO(content), name, 4 * side_px), side_px)


def resize_to_square(pixels: np.ndarray, side_px: int) -> np.ndarray:
    """Scale (height, width, 3) uint8 to (side_px, side_px, 3) by averaging all pixels."""
    return np.asarray(Image.fromarray(pixels).resize((side_px, side_px), Image.Resampling.BOX))


def resize_to_fit(pixels: np.ndarray, side_px: int) -> np.ndarray:
    """Reduce (height, width, 3) uint8 so that its longest side has at most `side_px` pixels; never enlarge it."""
    height, width = pixels.shape[:2]
    scale = side_px / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # Reducing by a whole factor first costs a fifth of the time; the result differs by less than JPEG does.
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))


def detect_picture_format(head: bytes) -> str | None:
    """Return the picture format of a file's first bytes (64 are enough), or None."""
    for start, name in _MAGIC:
        if head.startswith(start):
            return name
    # Many text files begin with these two letters, so the size of the second header must be a valid one.
    if head[:2] == b"BM" and int.from_bytes(head[14:16], "little") in _BMP_HEADERS_BYTES:
        return "BMP"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return _detect_media_format(head)
    return None


def _detect_media_format(head: bytes) -> str | None:
    """Return HEIC or AVIF by the main brand of the first box, or by the compatible brands if that is a generic one."""
    brand = head[8:12]
    if brand in _GENERIC_BRANDS:
        end = min(int.from_bytes(head[:4], "big"), len(head) - 3)
        others = {head[at : at + 4] for at in range(16, end, 4)}
        return "AVIF" if others & _AVIF_BRANDS else "HEIC"
    return "HEIC" if brand in _HEIC_BRANDS else "AVIF" if brand in _AVIF_BRANDS else None


def has_metadata(jpeg: bytes) -> bool:
    """Return whether a JPEG contains EXIF or XMP data (segment APP1), such as a rotation or a place."""
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] not in (0xD9, 0xDA):
        if jpeg[at + 1] == 0xE1:
            return True
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return False


@contextmanager
def _open_picture(source: Path | BinaryIO, name: str, limit_px: int = MAX_PX) -> Iterator[Image.Image]:
    """Open a picture without decoding it; errors inside the block become a PictureError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns above 89 megapixels; this module instead raises an error above its own limit.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with _open_regular(source) as file:
                _prepare_decoder(file, name)
                with Image.open(file) as image:
                    if image.width * image.height > limit_px:
                        size = f"{image.width} x {image.height} pixels"
                        raise PictureError(f"{name} has {size}, more than the limit of {limit_px // 1_000_000} million")
                    yield image
    except PictureError:
        raise
    except Exception as error:
        raise PictureError(_describe_error(error, name)) from error


def _prepare_decoder(file: BinaryIO, name: str) -> None:
    """Make Pillow able to read HEIC if the file is in this format, which needs a library that a device lacks."""
    start = file.tell()
    head = file.read(_HEAD_BYTES)
    file.seek(start)
    if detect_picture_format(head) != "HEIC":
        return
    try:
        import pillow_heif
    except ImportError as error:
        raise PictureError(f"{name} is HEIC, which requires pillow-heif; {suggest_install('workshop')}") from error
    pillow_heif.register_heif_opener()


@contextmanager
def _open_regular(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open a file without waiting; a FIFO without a writer would block forever."""
    if not isinstance(source, Path):
        yield source
        return
    descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise PictureError(f"{source} is not a regular file; give a picture")
        yield file


def _describe_error(error: Exception, name: str) -> str:
    match error:
        case FileNotFoundError():
            return f"{name} does not exist"
        case IsADirectoryError():
            return f"{name} is a folder, not a picture"
        case PermissionError():
            return f"{name} cannot be read by this user"
        case UnidentifiedImageError():
            return f"{name} is not a picture in a known format"
        case Image.DecompressionBombError():
            return f"{name} has far more pixels than the limit of {MAX_PX // 1_000_000} million"
    text = describe_os_error(error) if isinstance(error, OSError) else str(error)
    return f"{name} cannot be read as a picture: {text.rstrip('.') or type(error).__name__}"


def _convert_to_rgb(image: Image.Image) -> np.ndarray:
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16") or upright.mode == "I":
        gray = np.clip(np.asarray(upright).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
        return np.repeat(gray[:, :, np.newaxis], 3, axis=2)
    return np.array(upright.convert("RGB"))


def encode_jpeg(pixels: np.ndarray, quality: int = 85) -> bytes:
    """Encode pixels as JPEG.

    Args:
        pixels: (height, width, 3) uint8 RGB.
        quality: Pillow's scale, 1 to 95.
    """
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "JPEG", quality=quality)
    return out.getvalue()
