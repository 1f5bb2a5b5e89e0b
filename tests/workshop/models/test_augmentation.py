"""Augmented copies: shapes, dtypes, the same for the same seed."""

import numpy as np
import pytest

from appliance.imaging.view import View
from appliance.labeling.preprocess import Preprocessor
from appliance.workshop.models.augmentation import STORED_PX, make_copy, shift_hue, stretch, to_bytes, vary_light
from support.input_forms import make_form


@pytest.fixture
def picture() -> np.ndarray:
    """A gradient of colors, (90, 140, 3) uint8."""
    y, x = np.mgrid[0:90, 0:140]
    return np.stack((x, 2 * y, 255 - x), axis=2).astype(np.uint8)


def test_stretch_equals_what_the_labeler_sees(picture):
    prepared = Preprocessor(View(), make_form((128, 128))).prepare(picture)[0]
    np.testing.assert_array_equal(stretch(picture, 128), prepared)


@pytest.mark.parametrize("size", [(20, 300), (300, 20), (17, 17), (256, 341)])
def test_copies_have_the_stored_size(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    for seed in range(20):
        copy = make_copy(pixels, np.random.default_rng(seed))
        assert copy.shape == (STORED_PX, STORED_PX, 3)
        assert copy.dtype == np.uint8


def test_same_seed_gives_the_same_copy(picture):
    first, second = (make_copy(picture, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (make_copy(picture, np.random.default_rng(4)) != first).any()


def test_copy_leaves_the_picture_as_it_is(picture):
    before = picture.copy()
    make_copy(picture, np.random.default_rng(0))
    vary_light(picture, np.random.default_rng(0))
    np.testing.assert_array_equal(picture, before)


def test_light_varies_and_the_shape_stays(picture):
    means = []
    for seed in range(30):
        varied = vary_light(picture, np.random.default_rng(seed))
        assert varied.shape == picture.shape
        assert varied.dtype == np.uint8
        means.append(varied.mean())
    assert np.std(means) > 5


def test_hue_turns_red_to_green_and_around():
    red = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    assert shift_hue(red, 60)[0, 0].tolist() == [0, 255, 0]
    assert shift_hue(red, -60)[0, 0].tolist() == [0, 0, 255]
    assert shift_hue(red, 180)[0, 0].tolist() == [255, 0, 0]


def test_bytes_are_clipped_and_truncated():
    assert to_bytes(np.array([-3.0, 0.9, 254.9, 300.0])).tolist() == [0, 0, 254, 255]
