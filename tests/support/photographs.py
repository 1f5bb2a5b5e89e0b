"""Sets of photographs as the training of the bundled model reads them: a zip per part, a folder per label."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from appliance.imaging.files import encode_jpeg


def write_photographs(data: Path, name: str, part: str, photographs: Iterable[tuple[str, np.ndarray]]) -> Path:
    """Write one part (train or val) of a set, with other files among the photographs; return the zip."""
    (data / name).mkdir(parents=True, exist_ok=True)
    file = data / name / f"{name}_{part}.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.txt", "not a picture")
        for index, (label, pixels) in enumerate(photographs):
            archive.writestr(f"{label}/{index}.jpg", encode_jpeg(pixels))
        archive.writestr("daisy/notes.png", "not a JPEG")
    return file
