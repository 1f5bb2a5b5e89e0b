"""Pictures that show whether a decoded frame is sound, and videos that lose parts on the way."""

import random
from pathlib import Path

import numpy as np

from support.streams import video_bytes

TS_PACKET_BYTES = 188
# Two gray levels for each frame; a frame that lacks an earlier one shows a pair that does not exist.
LEVELS = np.random.default_rng(4).integers(30, 220, (64, 2))


def paired(number: int, width: int = 320, height: int = 240) -> np.ndarray:
    """Return the picture of a frame number: two halves of different gray."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = LEVELS[number % len(LEVELS)]
    return pixels


def is_sound(pixels: np.ndarray) -> bool:
    """Return whether a picture is one of `paired`."""
    half = pixels.shape[1] // 2
    sides = [pixels[16:-16, 16 : half - 16].astype(int), pixels[16:-16, half + 16 : -16].astype(int)]
    if max(side.std() for side in sides) > 6:
        return False
    means = np.array([side.mean() for side in sides])
    return bool(np.abs(LEVELS - means).max(axis=1).min() <= 5)


def lossy_transport_stream(codec: str, seconds: int, loss: float, seed: int) -> bytes:
    """Return a transport stream (25 frames/s, a key frame every second) that lacks a share of its packets."""
    pictures = [paired(number) for number in range(25 * seconds)]
    x265 = {"preset": "ultrafast", "x265-params": "keyint=25:min-keyint=25:bframes=0:log-level=none"}
    options = x265 if codec == "libx265" else {}
    data = video_bytes(pictures, codec, "mpegts", fps=25, options={"g": "25", "tune": "zerolatency", **options})
    chance = random.Random(seed)
    starts = range(0, len(data), TS_PACKET_BYTES)
    return b"".join(
        data[start : start + TS_PACKET_BYTES]
        for start in starts
        if start < 20 * TS_PACKET_BYTES or chance.random() >= loss
    )


def write_lossy_video(path: Path, codec: str, seconds: int = 20, loss: float = 0.01, seed: int = 1) -> None:
    """Write a transport stream that lacks a share of its packets."""
    path.write_bytes(lossy_transport_stream(codec, seconds, loss, seed))
