"""Pictures of one colour each, and a base that sees nothing but the mean colour: a training that takes milliseconds."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from support.tiny_models import tiny_model

COLOURS = {
    "red": (200, 40, 40),
    "green": (40, 200, 40),
    "blue": (40, 40, 200),
    "grey": (120, 120, 120),
    "yellow": (200, 200, 40),
}


def coloured(colour: str, seed: int) -> bytes:
    """A PNG of about this colour, different for each seed."""
    random = np.random.default_rng(seed)
    tint = np.clip(np.array(COLOURS[colour]) + random.integers(-30, 31, 3), 0, 255)
    pixels = np.clip(tint + random.integers(-20, 21, (24, 32, 3)), 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def write_pictures(folder: Path, counts: Mapping[str, int], seed: int = 0) -> Path:
    """A dataset: one folder a colour, with so many pictures."""
    for number, (colour, count) in enumerate(sorted(counts.items())):
        (folder / colour).mkdir(parents=True, exist_ok=True)
        for place in range(count):
            (folder / colour / f"{seed}-{place:04d}.png").write_bytes(coloured(colour, seed + 10_000 * number + place))
    return folder


def write_base(file: Path, dtype: str = "uint8", **options: object) -> Path:
    """A .tflite whose pooled features are the mean red, green and blue."""
    file.write_bytes(tiny_model(dtype, **options))
    return file
