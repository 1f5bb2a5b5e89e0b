"""Similarity of pictures by their fingerprints."""

import numpy as np
import pytest
from PIL import Image

from appliance.imaging.files import resize_to_square
from appliance.imaging.fingerprint import NEAR, THUMBNAIL_PX, compute_signatures


def describe(pixels: np.ndarray) -> np.ndarray:
    return compute_signatures(resize_to_square(pixels, THUMBNAIL_PX)[np.newaxis])[0]


def plain(*levels: int) -> np.ndarray:
    return np.full((48, 64, 3), levels, np.uint8)


@pytest.fixture
def photograph(data) -> np.ndarray:
    return np.asarray(Image.open(data / "images" / "mlkit_tulips.jpeg").convert("RGB"))


def test_size_and_brightness_make_no_difference(photograph):
    height, width = photograph.shape[:2]
    half = np.asarray(Image.fromarray(photograph).resize((width // 2, height // 3)))
    assert describe(photograph) @ describe(half) > NEAR
    assert describe(photograph) @ describe((photograph * 0.6).astype(np.uint8)) > NEAR


def test_mirror_half_and_another_picture_differ(photograph, data):
    other = np.asarray(Image.open(data / "images" / "mlkit_roses.jpeg").convert("RGB"))
    for unlike in (photograph[:, ::-1], photograph[: len(photograph) // 2], other):
        assert describe(photograph) @ describe(np.ascontiguousarray(unlike)) < NEAR


def test_noise_of_a_dark_picture_makes_no_difference():
    noise = np.random.default_rng(1)
    dark = [np.clip(noise.normal(6, 4, (480, 640, 3)), 0, 255).astype(np.uint8) for _ in range(2)]
    assert describe(dark[0]) @ describe(dark[1]) > NEAR


def test_plain_pictures_differ_by_color():
    assert describe(plain(10, 10, 10)) @ describe(plain(14, 12, 10)) > NEAR
    assert describe(plain(255, 0, 0)) @ describe(plain(0, 0, 255)) < NEAR
    assert describe(plain(0, 0, 0)) @ describe(plain(255, 255, 255)) < NEAR
