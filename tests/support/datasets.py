"""Generated pictures and datasets: small, different from each other, and the same each time."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from appliance.imaging.files import encode_jpeg
from appliance.workshop.datasets.dataset import Dataset


def make_pixels(seed: int, width: int = 96, height: int = 72) -> np.ndarray:
    """Return a picture of soft colored patches, different for each seed."""
    patches = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC))


def make_picture(seed: int, form: str = "JPEG", **options: object) -> bytes:
    """Return the same picture as a file's content."""
    out = io.BytesIO()
    Image.fromarray(make_pixels(seed)).save(out, form, **options)
    return out.getvalue()


def make_files(labels: Mapping[str, int], first_seed: int = 0) -> dict[str, bytes]:
    """Return path → content of this many different pictures of each label."""
    files, seed = {}, first_seed
    for label, count in labels.items():
        for index in range(count):
            files[f"{label}/{index:03d}.jpg"] = make_picture(seed)
            seed += 1
    return files


def make_split_files(labels: Mapping[str, int], *tops: str) -> dict[str, bytes]:
    """Return the same below a folder for each split, with other pictures in each."""
    return {
        f"{top}/{name}": content
        for index, top in enumerate(tops)
        for name, content in make_files(labels, 300 * index).items()
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


def list_messages(dataset: Dataset, kind: str) -> list[str]:
    """Return the messages of a dataset's problems of one kind."""
    return [problem.message for problem in dataset.problems if problem.kind == kind]


def make_copies(seed: int) -> dict[str, bytes]:
    """One picture as people copy it: smaller and worse, brighter, mirrored, cut a little."""
    whole = make_pixels(seed, 320, 240)
    return {
        "original.jpg": encode_jpeg(whole),
        "smaller.jpg": encode_jpeg(np.asarray(Image.fromarray(whole).resize((160, 120))), 40),
        "brighter.jpg": encode_jpeg(np.clip(whole * 1.2 + 10, 0, 255).astype(np.uint8)),
        "mirrored.jpg": encode_jpeg(whole[:, ::-1]),
        "cut.jpg": encode_jpeg(whole[2:-2, 3:-3]),
    }
