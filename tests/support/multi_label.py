"""Datasets whose pictures have several labels: fields of color side by side."""

import io
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from support.training import COLORS

LABELS = ("blue", "green", "red")


def paint(colors: Sequence[str], seed: int) -> bytes:
    """Return a PNG with a field of each color, side by side; gray if there are none."""
    random = np.random.default_rng(seed)
    fields = []
    for color in colors or ["gray"]:
        tint = np.array(COLORS[color]) + random.integers(-20, 21, 3)
        fields.append(np.clip(tint + random.integers(-20, 21, (24, 12, 3)), 0, 255).astype(np.uint8))
    out = io.BytesIO()
    Image.fromarray(np.concatenate(fields, axis=1)).save(out, "PNG")
    return out.getvalue()


def list_pictures(count: int) -> Iterator[tuple[str, tuple[str, ...], bytes]]:
    """Yield the name, the labels, and the content of pictures: each color alone, and each pair."""
    kinds = [*((label,) for label in LABELS), *itertools.combinations(LABELS, 2)]
    for number in range(count):
        colors = kinds[number % len(kinds)]
        yield f"pics/{number:03d}.png", colors, paint(colors, number)


def write_index(folder: Path, count: int = 120) -> Path:
    """Write a dataset with a CSV index in AutoML's form for several labels."""
    rows = []
    (folder / "pics").mkdir(parents=True)
    for name, colors, content in list_pictures(count):
        (folder / name).write_bytes(content)
        rows.append(",".join([name, *colors]))
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder / "index.csv"
