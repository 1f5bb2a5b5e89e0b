"""Backgrounds and distractors."""

import numpy as np
import pytest

from appliance.camera.scene.scenery import DISTRACTORS, draw_background, draw_distractor


def test_background_has_size_and_light():
    pixels, light = draw_background(np.random.default_rng(1), (64, 48))
    assert pixels.shape == (48, 64, 3) and pixels.dtype == np.uint8
    assert len(light) == 3 and all(0.5 < factor < 1.3 for factor in light)


def test_backgrounds_differ_by_generator():
    first, second = (draw_background(np.random.default_rng(seed), (64, 48))[0] for seed in (1, 2))
    assert np.array_equal(first, draw_background(np.random.default_rng(1), (64, 48))[0])
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("kind", DISTRACTORS)
def test_distractor_covers_its_center(kind):
    sprite = draw_distractor(kind, np.random.default_rng(5), 30)
    assert (sprite.transparency[sprite.center_px[1], sprite.center_px[0]] < 255).all()
