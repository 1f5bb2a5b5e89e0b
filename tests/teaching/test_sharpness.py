"""The sharpness of pictures."""

import numpy as np
import pytest

from appliance.teaching.sharpness import measure_sharpness
from support.teaching import blur, draw


def test_motion_lowers_the_sharpness():
    pixels = draw(1, 320)
    assert measure_sharpness(blur(pixels, 8)) < 0.35 * measure_sharpness(pixels)


def test_exposure_hardly_matters():
    pixels = draw(1, 320)
    dark = (pixels * 0.6).astype(np.uint8)
    assert measure_sharpness(dark) == pytest.approx(measure_sharpness(pixels), rel=0.1)


def test_plain_and_tiny_pictures_are_not_sharp():
    assert measure_sharpness(np.zeros((50, 50, 3), np.uint8)) == 0
    assert measure_sharpness(np.zeros((2, 2, 3), np.uint8)) == 0
