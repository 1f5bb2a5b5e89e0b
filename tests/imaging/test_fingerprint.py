"""Likeness of pictures, as small squares."""

import numpy as np
import pytest
from PIL import Image

from appliance.imaging.files import resize_to_square
from appliance.imaging.fingerprint import NEAR, THUMBNAIL_PX, compute_signatures


def seen(pixels: np.ndarray) -> np.ndarray:
    return compute_signatures(resize_to_square(pixels, THUMBNAIL_PX)[np.newaxis])[0]


def plain(*levels: int) -> np.ndarray:
    return np.full((48, 64, 3), levels, np.uint8)


@pytest.fixture
def photograph(data) -> np.ndarray:
    return np.asarray(Image.open(data / "images" / "mlkit_tulips.jpeg").convert("RGB"))


def test_a_picture_is_like_itself_at_another_size_and_brightness(photograph):
    height, width = photograph.shape[:2]
    half = np.asarray(Image.fromarray(photograph).resize((width // 2, height // 3)))
    assert seen(photograph) @ seen(half) > NEAR
    assert seen(photograph) @ seen((photograph * 0.6).astype(np.uint8)) > NEAR


def test_it_is_not_like_its_mirror_its_half_or_another(photograph, data):
    other = np.asarray(Image.open(data / "images" / "mlkit_roses.jpeg").convert("RGB"))
    for unlike in (photograph[:, ::-1], photograph[: len(photograph) // 2], other):
        assert seen(photograph) @ seen(np.ascontiguousarray(unlike)) < NEAR


def test_a_dark_picture_is_like_itself_with_other_noise():
    noise = np.random.default_rng(1)
    dark = [np.clip(noise.normal(6, 4, (480, 640, 3)), 0, 255).astype(np.uint8) for _ in range(2)]
    assert seen(dark[0]) @ seen(dark[1]) > NEAR


def test_plain_pictures_are_told_apart_by_colour():
    assert seen(plain(10, 10, 10)) @ seen(plain(14, 12, 10)) > NEAR
    assert seen(plain(255, 0, 0)) @ seen(plain(0, 0, 255)) < NEAR
    assert seen(plain(0, 0, 0)) @ seen(plain(255, 255, 255)) < NEAR
