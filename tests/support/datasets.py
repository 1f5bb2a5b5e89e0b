"""Made pictures and datasets: small, different from each other, and the same each time."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def pixels(seed: int, width: int = 96, height: int = 72) -> np.ndarray:
    """A picture of soft coloured patches that is like no other seed's."""
    patches = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC))


def picture(seed: int, form: str = "JPEG", **options: object) -> bytes:
    """The same as a file's content."""
    out = io.BytesIO()
    Image.fromarray(pixels(seed)).save(out, form, **options)
    return out.getvalue()


def tree(labels: Mapping[str, int], start: int = 0) -> dict[str, bytes]:
    """Path → content: so many different pictures for each label."""
    files, seed = {}, start
    for label, count in labels.items():
        for number in range(count):
            files[f"{label}/{number:03d}.jpg"] = picture(seed)
            seed += 1
    return files


def split_tree(labels: Mapping[str, int], *tops: str) -> dict[str, bytes]:
    """The same below a folder for each split, with other pictures in each."""
    return {
        f"{top}/{name}": content
        for number, top in enumerate(tops)
        for name, content in tree(labels, 300 * number).items()
    }


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_zip(path: Path, files: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
