"""Negatives made from photographs keep colors or texture, not the subject; they depend only on the seed."""

import numpy as np
import pytest

from appliance.workshop.models.augmentation import STORED_PX
from appliance.workshop.models.negatives import (
    make_collage,
    paste_before_garden,
    randomize_phases,
    recolor,
    shuffle_tiles,
)


def make_photograph(seed: int, size: tuple[int, int]) -> np.ndarray:
    """Smooth random colors."""
    coarse = np.random.default_rng(seed).integers(40, 216, (8, 8, 3), np.uint8)
    return np.kron(coarse, np.ones((size[0] // 8, size[1] // 8, 1), np.uint8))


SQUARE = make_photograph(0, (STORED_PX, STORED_PX))
FIRST, SECOND = make_photograph(1, (160, 208)), make_photograph(2, (208, 160))
NEGATIVES = {
    "tiles": lambda rng: shuffle_tiles(SQUARE, rng),
    "phases": lambda rng: randomize_phases(SQUARE, rng),
    "recolored": lambda rng: recolor(FIRST, rng),
    "collage": lambda rng: make_collage(FIRST, SECOND, rng),
    "pasted": lambda rng: paste_before_garden(FIRST, SECOND, rng),
}


@pytest.mark.parametrize("make", NEGATIVES.values(), ids=NEGATIVES)
def test_negatives_are_bytes_of_the_stored_size(make):
    for seed in range(10):
        pixels = make(np.random.default_rng(seed))
        assert pixels.shape == (STORED_PX, STORED_PX, 3)
        assert pixels.dtype == np.uint8


@pytest.mark.parametrize("make", NEGATIVES.values(), ids=NEGATIVES)
def test_negatives_depend_only_on_the_seed(make):
    first, second, other = (make(np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_shuffled_tiles_keep_every_pixel():
    sharp = [
        shuffled
        for seed in range(12)
        if np.array_equal(
            np.sort((shuffled := shuffle_tiles(SQUARE, np.random.default_rng(seed))).reshape(-1, 3), axis=0),
            np.sort(SQUARE.reshape(-1, 3), axis=0),
        )
    ]
    assert sharp
    assert all((shuffled != SQUARE).any() for shuffled in sharp)


def test_random_phases_keep_the_mean_colors():
    mixed = randomize_phases(SQUARE, np.random.default_rng(0))
    assert mixed.mean(axis=(0, 1)) == pytest.approx(SQUARE.mean(axis=(0, 1)), abs=2)
    assert abs(np.corrcoef(mixed.ravel(), SQUARE.ravel())[0, 1]) < 0.5


def test_pasted_subject_is_in_front_of_a_blurred_garden():
    checkers = np.kron(np.indices((20, 20)).sum(axis=0) % 2, np.ones((8, 8))).astype(np.uint8) * 255
    garden = np.repeat(checkers[:, :, None], 3, axis=2)
    pasted = [paste_before_garden(FIRST, garden, np.random.default_rng(seed)) for seed in range(12)]
    assert np.median([pixels[:8, :8].std() for pixels in pasted]) < 40
