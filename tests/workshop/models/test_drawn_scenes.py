"""Scenes for training: stored size, determinism, and flowers that are partly outside."""

import numpy as np

from appliance.workshop.models.augmentation import STORED_PX
from appliance.workshop.models.drawn_scenes import draw_empty_scene, draw_flower_scene
from appliance.workshop.models.paths import LABELS


def test_flower_scenes_of_every_label_have_the_stored_size():
    rng = np.random.default_rng(0)
    for label in LABELS:
        for index in (0, 1):
            scene = draw_flower_scene(label, index, rng)
            assert scene.shape == (STORED_PX, STORED_PX, 3)
            assert scene.dtype == np.uint8


def test_empty_scenes_have_the_stored_size():
    rng = np.random.default_rng(1)
    for index in range(8):
        scene = draw_empty_scene(index, rng)
        assert scene.shape == (STORED_PX, STORED_PX, 3)
        assert scene.dtype == np.uint8


def test_same_seed_draws_the_same_scene():
    for index in (0, 1):
        first, second = (draw_flower_scene("roses", index, np.random.default_rng(5)) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        first, second = (draw_empty_scene(index, np.random.default_rng(5)) for _ in range(2))
        np.testing.assert_array_equal(first, second)


def test_every_sixth_flower_is_drawn_partly_outside():
    scenes = {index: draw_flower_scene("roses", index, np.random.default_rng(6)) for index in (0, 1, 2, 6)}
    np.testing.assert_array_equal(scenes[1], scenes[2])
    np.testing.assert_array_equal(scenes[0], scenes[6])
    assert (scenes[0] != scenes[1]).any()
