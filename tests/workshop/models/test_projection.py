"""Projections keep the directions in which features vary."""

import numpy as np
import pytest

from appliance.workshop.models.projection import fit_projection


def test_projection_finds_the_main_direction():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.01, (500, 6)) + rng.normal(0, 3, (500, 1)) * np.array([0, 0, 1, 0, 0, 0]) + 5
    projection = fit_projection(values, 1)
    projected = projection.project(values)
    assert projected.shape == (500, 1)
    assert abs(np.corrcoef(projected[:, 0], values[:, 2])[0, 1]) > 0.999


def test_projection_has_mean_0_and_spread_1():
    values = np.random.default_rng(1).normal(4, 2, (40, 7, 7, 12)).astype(np.float32)
    projected = fit_projection(values, 5).project(values)
    assert projected.shape == (40, 7, 7, 5)
    assert projected.dtype == np.float32
    assert projected.mean() == pytest.approx(0, abs=1e-3)
    assert projected.std() == pytest.approx(1, abs=1e-3)
