"""The rejection gate: its cutoff, its distances and their limits."""

import numpy as np
import pytest

from appliance.workshop.training.gate import (
    FAR_COMPONENTS,
    LogisticCutoff,
    PrincipalSubspace,
    count_far_components,
    fit_gate,
)


@pytest.mark.parametrize(("pictures", "components"), [(2, 1), (80, 20), (256, 64), (10_000, FAR_COMPONENTS)])
def test_few_pictures_give_few_components(pictures, components):
    assert count_far_components(pictures) == components


def test_cutoff_falls_from_1_to_0():
    cutoff = LogisticCutoff(limit=2.0, softness=0.5)
    accepted = cutoff.acceptance(np.array([-1e9, 2.0, 2.5, 1e9]))
    np.testing.assert_allclose(accepted, [1, 0.5, 1 / (1 + np.e), 0], atol=1e-12)


def test_distance_from_a_subspace():
    subspace = PrincipalSubspace(np.array([1.0, 0, 0]), np.array([[0.0], [1.0], [0.0]]))
    np.testing.assert_allclose(subspace.measure_distances(np.array([[1.0, 9, 0], [3.0, 9, 1]])), [0, 5])


def test_single_label_has_no_discriminants():
    x = np.random.default_rng(0).uniform(size=(40, 6))
    gate = fit_gate(x, np.zeros(40, int), 0)
    assert gate.discriminants is None and gate.near is None
    assert gate.acceptance(x).mean() > 0.5


def test_matrix_of_many_pictures_gives_the_gate_of_few():
    # 60 pictures of 61 features use the products between pictures, of 59 features the products between features.
    random = np.random.default_rng(0)
    x, y = random.uniform(size=(60, 59)), np.repeat([0, 1], 30)
    many = fit_gate(x, y, 0)
    few = fit_gate(np.hstack([x, np.zeros((60, 2))]), y, 0)
    np.testing.assert_allclose(many.acceptance(x), few.acceptance(np.hstack([x, np.zeros((60, 2))])), atol=1e-3)
