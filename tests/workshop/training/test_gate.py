"""The gate: it accepts pictures like those of the training, and rejects others."""

import numpy as np
import pytest

from appliance.workshop.training.discriminant import Moments, measure_moments
from appliance.workshop.training.gate import (
    PrincipalSubspace,
    RejectionGate,
    accept,
    choose_limits,
    fit_subspace,
    measure_softness,
)
from appliance.workshop.training.projection import fit_projection


def measure(rows: np.ndarray) -> Moments:
    return measure_moments(rows, np.zeros(len(rows), int), 1)


def test_acceptance_is_half_at_the_limit_of_each_label():
    accepted = accept(np.array([2.0, 3.0, 50.0]), np.array([2.0, 3.0]), 0.5)
    np.testing.assert_allclose(accepted[[0, 1], [0, 1]], 0.5)
    assert accepted[2].max() < 1e-6


def test_distance_leaves_out_the_components():
    subspace = PrincipalSubspace(np.array([1.0, 0, 0]), np.array([[0.0], [1.0], [0.0]]))
    np.testing.assert_allclose(subspace.measure_distances(np.array([[1.0, 5, 0], [3.0, 5, 1]])), [0, 5])


def test_restored_subspace_measures_the_same_distances():
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 5)) @ random.normal(size=(5, 40)) + random.normal(0, 0.2, (60, 40))
    projection = fit_projection(rows, 0, 12)
    subspace = fit_subspace(measure(projection.project(rows).coordinates))
    expected = subspace.measure_projected(projection.project(rows))
    np.testing.assert_allclose(subspace.restore(projection).measure_distances(rows), expected, rtol=0.01, atol=0.01)


def test_gate_rejects_what_is_off_the_subspace():
    random = np.random.default_rng(1)
    rows = np.hstack([random.normal(size=(200, 3)), np.zeros((200, 37))]) + random.normal(0, 0.1, (200, 40))
    subspace = fit_subspace(measure(rows[:100]))
    distances = subspace.measure_distances(rows[100:])
    limits = choose_limits(distances, np.zeros(100, int), 1, 0.95)
    gate = RejectionGate(subspace, limits, measure_softness(distances))
    assert (gate.acceptance(rows[100:]) > 0.5).mean() == pytest.approx(0.95, abs=0.02)
    assert gate.acceptance(rows[:20] + np.eye(40)[20] * 5).max() < 0.01


def test_limit_of_a_rare_and_distant_label_accepts_its_pictures():
    distances = np.append(np.linspace(0, 1, 1000), np.linspace(3, 4, 12))
    targets = np.append(np.zeros(1000, int), np.ones(12, int))
    limits = choose_limits(distances, targets, 2, 0.97)
    assert 4 < limits[1] < 4.5
    assert limits[0] < 1.1


def test_subspace_leaves_axes_for_distances():
    rows = np.random.default_rng(2).normal(size=(400, 20))
    assert fit_subspace(measure(rows)).measure_distances(rows).min() > 0.1
