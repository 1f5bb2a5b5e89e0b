"""Batches: the shares of the groups, the shown squares, mixing, and where a teacher's layer is sampled."""

import numpy as np
import pytest

from appliance.workshop.models.augmentation import STORED_PX
from appliance.workshop.models.batches import (
    BATCH,
    LEAST_SQUARE_PX,
    SHARES,
    Mixture,
    Squares,
    choose_mixture,
    choose_squares,
    compute_sampling_grid,
    plan_order,
    render_batch,
)
from appliance.workshop.models.paths import OTHER_SETS
from appliance.workshop.models.prepare import GROUPS, PictureSet


def make_set(per_group: int = 7) -> PictureSet:
    group = np.repeat(np.arange(len(GROUPS)), per_group)
    zeros = np.zeros(len(group), np.int64)
    return PictureSet(np.zeros((len(group), 1, 1, 3), np.uint8), zeros, group, zeros, zeros.astype(bool))


def whole_squares(count: int) -> Squares:
    return Squares(np.zeros((count, 2), int), np.full(count, STORED_PX), np.zeros(count, bool))


def no_mixture(count: int) -> Mixture:
    return Mixture(np.zeros(count, np.float32), np.zeros((count, 4), np.int64))


@pytest.mark.parametrize("backgrounds", [OTHER_SETS, ("clothing",)])
def test_order_gives_each_group_its_share(backgrounds):
    pictures = make_set()
    order = plan_order(pictures, backgrounds, 10_000, np.random.default_rng(0))
    assert len(order) == 10_000
    shown = {name: share for name, share in SHARES.items() if name not in OTHER_SETS or name in backgrounds}
    for index, name in enumerate(GROUPS):
        expected = shown.get(name, 0) / sum(shown.values())
        assert (pictures.group[order] == index).mean() == pytest.approx(expected, abs=0.001)


def test_order_shows_each_picture_of_a_group_equally_often():
    order = plan_order(make_set(), OTHER_SETS, 10_000, np.random.default_rng(0))
    flowers = np.bincount(order, minlength=35)[:7]
    assert flowers.max() - flowers.min() <= 1


def test_order_depends_only_on_the_seed():
    orders = [plan_order(make_set(), OTHER_SETS, 500, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(orders[0], orders[1])
    assert (orders[0] != orders[2]).any()


def test_squares_are_inside_of_the_stored_picture():
    for seed in range(50):
        squares = choose_squares(np.random.default_rng(seed))
        assert len(squares.side) == len(squares.corner) == len(squares.mirrored) == BATCH
        assert squares.side.min() >= LEAST_SQUARE_PX
        assert squares.corner.min() >= 0
        assert (squares.corner + squares.side[:, None]).max() <= STORED_PX


def test_mixture_shares_match_their_patches():
    for seed in range(20):
        mixture = choose_mixture(np.random.default_rng(seed), 96)
        y, x, height, width = mixture.patch.T
        assert ((mixture.share >= 0) & (mixture.share <= 1)).all()
        assert (y + height).max() <= 96
        assert (x + width).max() <= 96
        patched = height > 0
        assert mixture.share[patched] == pytest.approx((height * width / 96**2)[patched])


def test_mixture_leaves_most_pictures_alone():
    shares = [choose_mixture(np.random.default_rng(seed), 96).share > 0 for seed in range(50)]
    assert np.mean(shares) == pytest.approx(0.4, abs=0.05)


def test_rendered_batch_has_the_side_and_range():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (BATCH, STORED_PX, STORED_PX, 3), np.uint8)
    batch = render_batch(pixels, choose_squares(rng), choose_mixture(rng, 96), 96, rng)
    assert batch.shape == (BATCH, 96, 96, 3)
    assert batch.dtype == np.float32
    assert batch.min() >= 0
    assert batch.max() <= 255


def test_mirrored_square_is_mirrored():
    ramp = np.broadcast_to(np.arange(STORED_PX, dtype=np.uint8)[None, :, None], (STORED_PX, STORED_PX, 3))
    pixels = np.stack([ramp, ramp])
    squares = Squares(np.zeros((2, 2), int), np.full(2, STORED_PX), np.array([False, True]))
    batch = render_batch(pixels, squares, no_mixture(2), STORED_PX, np.random.default_rng(1))
    assert batch[0, 0, 0, 0] < batch[0, 0, -1, 0]
    assert batch[1, 0, 0, 0] > batch[1, 0, -1, 0]


def test_mixed_pictures_contain_the_previous_one():
    pixels = np.stack([np.full((STORED_PX, STORED_PX, 3), value, np.uint8) for value in (50, 150, 200)])
    mixture = Mixture(np.array([0, 0.5, 0.25], np.float32), np.array([[0] * 4, [0] * 4, [10, 20, 48, 48]]))
    # A seed that covers none of the three.
    seed = next(seed for seed in range(99) if (np.random.default_rng(seed).random(3) > 0.5).all())
    plain = render_batch(pixels, whole_squares(3), no_mixture(3), 96, np.random.default_rng(seed))
    mixed = render_batch(pixels, whole_squares(3), mixture, 96, np.random.default_rng(seed))
    np.testing.assert_array_equal(mixed[0], plain[0])
    np.testing.assert_allclose(mixed[1], (plain[0] + plain[1]) / 2, atol=1e-3)
    np.testing.assert_array_equal(mixed[2, 10:58, 20:68], plain[1, 10:58, 20:68])
    np.testing.assert_array_equal(mixed[2, :10], plain[2, :10])


def test_sampling_grid_of_the_whole_picture_is_even():
    grid = compute_sampling_grid(whole_squares(1), np.array([0]), 4)
    assert grid.shape == (1, 4, 4, 2)
    assert grid[0, 0, :, 0] == pytest.approx([-0.75, -0.25, 0.25, 0.75])
    assert grid[0, :, 0, 1] == pytest.approx([-0.75, -0.25, 0.25, 0.75])


def test_sampling_grid_follows_the_square():
    half = STORED_PX // 2
    squares = Squares(np.array([[half, 0], [half, 0]]), np.array([half, half]), np.array([False, True]))
    grid = compute_sampling_grid(squares, np.array([0, 1]), 2)
    assert grid[0, 0, :, 0] == pytest.approx([-0.75, -0.25])
    assert grid[1, 0, :, 0] == pytest.approx([-0.25, -0.75])
    assert grid[0, :, 0, 1] == pytest.approx([0.25, 0.75])
