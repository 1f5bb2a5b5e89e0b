"""Drawn patterns: shape, dtype, determinism, variety."""

import numpy as np
import pytest

from appliance.workshop.models import patterns
from appliance.workshop.models.augmentation import STORED_PX
from appliance.workshop.models.patterns import draw_blob, draw_pattern


@pytest.mark.parametrize("draw", sorted(set(patterns._PATTERNS), key=lambda draw: draw.__name__))
def test_each_kind_draws_bytes_of_the_stored_size(draw):
    for seed in range(8):
        pixels = draw(np.random.default_rng(seed))
        assert pixels.shape == (STORED_PX, STORED_PX, 3)
        assert pixels.dtype == np.uint8


def test_same_seed_draws_the_same_patterns():
    first, second = np.random.default_rng(1), np.random.default_rng(1)
    for _ in range(10):
        np.testing.assert_array_equal(draw_pattern(first), draw_pattern(second))


def test_patterns_differ():
    rng = np.random.default_rng(2)
    assert len({draw_pattern(rng).tobytes() for _ in range(20)}) == 20


def test_blob_is_a_mask_of_the_size_of_its_radius():
    rng = np.random.default_rng(3)
    for _ in range(60):
        mask = draw_blob(rng, 20)
        assert mask.shape == (STORED_PX, STORED_PX)
        assert mask.dtype == np.float32
        assert set(np.unique(mask)) <= {0.0, 1.0}
        # A whole disc of this radius, edge pixels included.
        assert mask.sum() <= np.pi * 22**2
