"""The projection keeps distances and logits of pictures."""

import numpy as np

from appliance.workshop.training.projection import fit_projection


def make_rows(count: int, size: int = 80) -> np.ndarray:
    random = np.random.default_rng(count)
    return random.normal(size=(count, 6)) @ np.random.default_rng(5).normal(size=(6, size)) + 3


def test_coordinates_and_rests_keep_the_length():
    rows = make_rows(50) + np.random.default_rng(1).normal(0, 0.1, (50, 80))
    projection = fit_projection(rows, 0, 6)
    projected = projection.project(rows)
    lengths = np.square(rows - projection.mean).sum(axis=1)
    np.testing.assert_allclose(np.square(projected.coordinates).sum(axis=1) + projected.rests, lengths, rtol=1e-4)
    assert projected.rests.mean() < 0.02 * lengths.mean()


def test_weights_of_coordinates_are_weights_of_rows():
    rows = make_rows(30)
    projection = fit_projection(rows, 0)
    weights = np.random.default_rng(2).normal(size=projection.axes.shape[1])
    new = make_rows(10)
    direct = new @ (projection.axes @ weights) - weights @ (projection.mean @ projection.axes)
    np.testing.assert_allclose(projection.project(new).coordinates @ weights, direct, atol=1e-3)


def test_same_seed_gives_the_same_axes():
    rows = make_rows(40)
    np.testing.assert_array_equal(fit_projection(rows, 0).axes, fit_projection(rows, 0).axes)
