"""Small trainings: pictures of one color each, a base that gives the mean color, and the train command."""

import io
import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from appliance.cli import main
from appliance.workshop.datasets.dataset import Example
from appliance.workshop.datasets.open import open_dataset
from support.tiny_models import metadata, tiny_model

COLORS = {
    "red": (200, 40, 40),
    "green": (40, 200, 40),
    "blue": (40, 40, 200),
    "gray": (120, 120, 120),
    "yellow": (200, 200, 40),
}


def colored(color: str, seed: int) -> bytes:
    """Return a PNG of about this color, different for each seed."""
    random = np.random.default_rng(seed)
    tint = np.clip(np.array(COLORS[color]) + random.integers(-30, 31, 3), 0, 255)
    pixels = np.clip(tint + random.integers(-20, 21, (24, 32, 3)), 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def write_pictures(folder: Path, counts: Mapping[str, int], seed: int = 0) -> Path:
    """Write a dataset: one folder per color, with the given number of pictures."""
    for number, (color, count) in enumerate(sorted(counts.items())):
        (folder / color).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            (folder / color / f"{seed}-{index:04d}.png").write_bytes(colored(color, seed + 10_000 * number + index))
    return folder


def open_pictures(folder: Path, **counts: int) -> Sequence[Example]:
    """Write a dataset and return its pictures."""
    return open_dataset(write_pictures(folder, counts)).examples


def write_base(file: Path, dtype: str = "uint8", **options: Any) -> Path:
    """Write a .tflite whose pooled features are the mean red, green and blue; a float one states its range."""
    if dtype == "float32":
        options.setdefault("metadata", metadata((127.5,), (127.5,)))
    file.write_bytes(tiny_model(dtype, **options))
    return file


def train(*arguments: object) -> int:
    """Run `appliance train` in this process; return its exit status."""
    return main(["train", *map(str, arguments)])


def train_command(*arguments: object) -> list[str]:
    """Return the command line of `appliance train`."""
    return [sys.executable, "-m", "appliance", "train", *map(str, arguments)]


def start_on_terminal(*arguments: object) -> tuple[subprocess.Popen[bytes], int]:
    """Start `appliance train` with a terminal as its standard error; return the process and our end of it."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(train_command(*arguments), stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    return process, ours


def read_until(terminal: int, wanted: bytes) -> bytes:
    """Read from a terminal until `wanted` occurs, or to the end."""
    received = b""
    try:
        while wanted not in received and (chunk := os.read(terminal, 4096)):
            received += chunk
    except OSError:
        pass  # Linux reports the closed other end as an error
    return received


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the contents of the files in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
