"""A dataset of a device in a folder, with drawn pictures."""

from pathlib import Path

import numpy as np

from appliance.imaging.files import encode_jpeg
from appliance.teaching.names import make_recorded_stem
from appliance.teaching.store import DatasetStore
from appliance.teaching.wording import Target

FIRST_S = 1_700_000_000.0


def draw(seed: int, side_px: int = 64) -> np.ndarray:
    """Return pixels of squares at places of their own: different seeds look different."""
    random = np.random.default_rng(seed)
    pixels = np.full((side_px, side_px, 3), 120, np.uint8)
    size = side_px // 5
    for _ in range(40):
        x, y = random.integers(0, side_px - size, 2)
        pixels[y : y + size, x : x + size] = random.integers(0, 255, 3)
    return pixels


def blur(pixels, width):
    """Return pixels that moved by so many pixels, aslant, while the picture was taken."""
    moved = [np.roll(pixels, (shift, shift), axis=(0, 1)).astype(np.float32) for shift in range(width)]
    return np.mean(moved, axis=0).astype(np.uint8)


def make_jpeg(seed):
    return encode_jpeg(draw(seed))


def make_store(state: Path, max_bytes=100_000_000, **options) -> DatasetStore:
    return DatasetStore(state, lambda: state / "collected", lambda: max_bytes, kept_free_bytes=0, **options)


def fill(store, label, count, recording="aaaaaaaa", first=0):
    """Add pictures to a label (None: background); return their ids."""
    target = Target(label) if label else Target(is_background=True)
    return [
        store.add(target, make_recorded_stem(FIRST_S + first + number, recording), make_jpeg(first + number))
        for number in range(count)
    ]


def collect(state: Path, stem="20261129-231500-123-42", sidecar="{}"):
    """Put a collected frame with its sidecar into the state folder; return its id."""
    folder = state / "collected"
    folder.mkdir(exist_ok=True)
    (folder / f"{stem}.jpg").write_bytes(make_jpeg(99))
    (folder / f"{stem}.json").write_text(sidecar)
    return stem


def counts(store):
    """Return label → number of pictures."""
    return {label["name"]: label["count"] for label in store.describe()["labels"]}
