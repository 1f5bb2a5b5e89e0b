"""Flowers: the same generator draws the same flower, and the stem reaches the edge."""

import numpy as np
import pytest

from appliance.camera.scene.flowers import LABELS, draw_flower


@pytest.mark.parametrize("label", LABELS)
def test_flower_is_determined_by_the_generator(label):
    first, second, other = (draw_flower(label, np.random.default_rng(seed), 30, 90) for seed in (1, 1, 2))
    assert np.array_equal(first.color, second.color) and np.array_equal(first.transparency, second.transparency)
    assert first.color.shape != other.color.shape or not np.array_equal(first.color, other.color)


@pytest.mark.parametrize("label", LABELS)
def test_stem_reaches_the_lower_edge(label):
    flower = draw_flower(label, np.random.default_rng(3), 30, 90)
    assert flower.color.shape[0] - flower.center_px[1] == pytest.approx(90, abs=1)
    assert (flower.transparency[-1] < 255).any()


def test_light_tints_the_flower():
    plain = draw_flower("daisy", np.random.default_rng(4), 30, 60)
    dim = draw_flower("daisy", np.random.default_rng(4), 30, 60, (0.5, 0.5, 0.25))
    ratio = dim.color.reshape(-1, 3).sum(axis=0) / plain.color.reshape(-1, 3).sum(axis=0)
    assert ratio == pytest.approx([0.5, 0.5, 0.25], abs=0.1)
