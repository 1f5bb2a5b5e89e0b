"""Picture files ↔ pixels, through Pillow: the one place where picture formats are known.

A picture comes out upright (EXIF orientation applied) and as plain RGB, so that nothing behind this module has to
know how a phone was held or that a PNG has a palette. Whatever is wrong with a file ends in a PictureError that
names it: among many pictures, one bad one costs only itself.
"""

import io
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from appliance.errors import PictureError

# What a 100-megapixel camera gives is read; a file that claims more is far likelier made to fill the memory.
MAX_PX = 128_000_000


def read_picture(source: Path | BinaryIO, shown: str | None = None) -> np.ndarray:
    """Reads a picture file.

    Alpha is dropped as Pillow's convert("RGB") does; of an animation the first frame is taken; grey pictures with
    16 bits keep their upper 8.

    Args:
        source: A file in any format Pillow reads; a path, or the file's bytes as a binary stream.
        shown: What to call it in errors; without it, the path.

    Returns:
        (height, width, 3) uint8, red green blue, upright by its EXIF orientation; the caller's own array.

    Raises:
        PictureError: The file is missing, is no picture, is damaged, or has more than MAX_PX pixels.
    """
    path = shown or source
    try:
        with warnings.catch_warnings():
            # Pillow warns above 89 megapixels; the limit here is its own sentence, below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(source) as image:
                if image.width * image.height > MAX_PX:
                    size = f"{image.width} x {image.height} pixels"
                    raise PictureError(f"{path} has {size}, more than the {MAX_PX // 1_000_000} million that are read.")
                upright = ImageOps.exif_transpose(image)
                if upright.mode.startswith("I;16") or upright.mode == "I":
                    grey = np.clip(np.asarray(upright).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
                    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
                return np.array(upright.convert("RGB"))
    except PictureError:
        raise
    except FileNotFoundError:
        raise PictureError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise PictureError(f"{path} is a folder, not a picture.") from None
    except PermissionError:
        raise PictureError(f"{path} may not be read by this user.") from None
    except UnidentifiedImageError:
        raise PictureError(f"{path} is not a picture in a known format.") from None
    except Image.DecompressionBombError:
        raise PictureError(f"{path} has far more pixels than the {MAX_PX // 1_000_000} million that are read.") from None
    except Exception as error:  # noqa: BLE001 - decoders raise nearly anything on a damaged file (SyntaxError, struct.error, …)
        raise PictureError(f"{path} cannot be read as a picture: {error or type(error).__name__}.") from error


def jpeg(pixels: np.ndarray, quality: int = 85) -> bytes:
    """Packs pixels as JPEG.

    Args:
        pixels: (height, width, 3) uint8 RGB.
        quality: Pillow's scale, 1 to 95.
    """
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "JPEG", quality=quality)
    return out.getvalue()
