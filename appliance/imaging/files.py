"""Picture files ↔ pixels, through Pillow: the one place where picture formats are known.

A picture comes out upright (EXIF orientation applied) and as plain RGB, so that nothing behind this module has to
know how a phone was held or that a PNG has a palette. Whatever is wrong with a file ends in a PictureError that
names it: among many pictures, one bad one costs only itself.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from appliance.errors import PictureError

# What a 100-megapixel camera gives is read; a file that claims more is far likelier made to fill the memory.
MAX_PX = 128_000_000

# Pillow warns of pictures that it reads all the same (half an EXIF, a palette with transparency), with lines of its own source.
# Set once for all, because what is set around one picture is undone by the end of another one in another thread.
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
_BMP_HEADERS_BYTES = (12, 16, 40, 52, 56, 64, 108, 124)


def read_picture(source: Path | BinaryIO, name: str | None = None, least_px: int | None = None) -> np.ndarray:
    """Reads a picture file.

    Alpha is dropped as Pillow's convert("RGB") does; of an animation the first frame is taken; grey pictures with
    16 bits keep their upper 8.

    Args:
        source: A file in any format Pillow reads, or its content as a binary stream.
        name: What errors call it; needed for a stream.
        least_px: Where the picture is wanted small: a JPEG may then come out at a half, a quarter or an eighth of its
            size, each side this long or longer, which is several times faster. None for all its pixels.

    Returns:
        (height, width, 3) uint8, red green blue, upright by its EXIF orientation; the caller's own array.

    Raises:
        PictureError: The file is missing, is no picture, is damaged, or has more than MAX_PX pixels.
    """
    with _opened(source, name or str(source)) as image:
        if least_px is not None:
            image.draft(None, (least_px, least_px))
        return _rgb(image)


def make_thumbnail(content: bytes, name: str, side_px: int) -> np.ndarray:
    """A small square of the whole picture, stretched to it, for comparing pictures with each other.

    The whole file is decoded, so damage shows.

    Args:
        content: The file's bytes.
        name: What errors call it.
        side_px: The square's side.

    Returns:
        (side_px, side_px, 3) uint8 RGB.

    Raises:
        PictureError: As read_picture.
    """
    # Four times the size is left for the filter below, so that it makes no difference at which size a JPEG came out.
    return resize_to_square(read_picture(io.BytesIO(content), name, 4 * side_px), side_px)


def resize_to_square(pixels: np.ndarray, side_px: int) -> np.ndarray:
    """(height, width, 3) uint8 shrunk or stretched to (side_px, side_px, 3), every pixel counted."""
    return np.asarray(Image.fromarray(pixels).resize((side_px, side_px), Image.Resampling.BOX))


def detect_picture_format(head: bytes) -> str | None:
    """The picture format that a file's first bytes (16 are enough) stand for, or None.

    JPEG, PNG, GIF, BMP and ICO are told for sure enough to be tried; others are named so that people can be told.
    """
    for start, name in _MAGIC:
        if head.startswith(start):
            return name
    # Two letters alone begin many a text. The size of the second header, of which these are all there are, follows the first.
    if head[:2] == b"BM" and int.from_bytes(head[14:16], "little") in _BMP_HEADERS_BYTES:
        return "BMP"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC", b"avif": "AVIF"}.get(head[8:12])
    return None


@contextmanager
def _opened(source: Path | BinaryIO, name: str) -> Iterator[Image.Image]:
    """The opened picture, not decoded yet; whatever goes wrong with it inside is a PictureError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns above 89 megapixels; the limit here is its own sentence, below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(source) as image:
                if image.width * image.height > MAX_PX:
                    size = f"{image.width} x {image.height} pixels"
                    raise PictureError(f"{name} has {size}, more than the {MAX_PX // 1_000_000} million that are read.")
                yield image
    except PictureError:
        raise
    except FileNotFoundError:
        raise PictureError(f"{name} does not exist.") from None
    except IsADirectoryError:
        raise PictureError(f"{name} is a folder, not a picture.") from None
    except PermissionError:
        raise PictureError(f"{name} may not be read by this user.") from None
    except UnidentifiedImageError:
        raise PictureError(f"{name} is not a picture in a known format.") from None
    except Image.DecompressionBombError:
        raise PictureError(
            f"{name} has far more pixels than the {MAX_PX // 1_000_000} million that are read."
        ) from None
    except Exception as error:
        raise PictureError(f"{name} cannot be read as a picture: {error or type(error).__name__}.") from error


def _rgb(image: Image.Image) -> np.ndarray:
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16") or upright.mode == "I":
        grey = np.clip(np.asarray(upright).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    return np.array(upright.convert("RGB"))


def encode_jpeg(pixels: np.ndarray, quality: int = 85) -> bytes:
    """Packs pixels as JPEG.

    Args:
        pixels: (height, width, 3) uint8 RGB.
        quality: Pillow's scale, 1 to 95.
    """
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "JPEG", quality=quality)
    return out.getvalue()
