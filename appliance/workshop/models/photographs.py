"""Read the photographs of the training sets."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from appliance.imaging.files import read_picture
from appliance.workshop.models.paths import DATA


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph of a set.

    Attributes:
        label: The folder of the zip that contains it.
        pixels: (height, width, 3) uint8 RGB.
    """

    label: str
    pixels: np.ndarray


def read_photographs(name: str, part: str) -> Iterator[Photograph]:
    """Yield the photographs of a part (train or val) of a set, sorted by file name.

    Raises:
        PictureError: A photograph cannot be read.
        OSError: The zip cannot be read.
    """
    with zipfile.ZipFile(DATA / name / f"{name}_{part}.zip") as archive:
        for entry in sorted(archive.namelist()):
            if entry.endswith(".jpg"):
                pixels = read_picture(io.BytesIO(archive.read(entry)), entry)
                yield Photograph(entry.split("/")[0], pixels)
