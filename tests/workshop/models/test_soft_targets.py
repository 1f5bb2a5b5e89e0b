"""Soft targets: cross-fitted for flowers, the label for everything else, the background for copies without a flower."""

import numpy as np
import pytest

from appliance.workshop.models import soft_targets
from appliance.workshop.models.paths import LABELS
from appliance.workshop.models.prepare import BACKGROUND_INDEX, GROUPS, PictureSet
from appliance.workshop.models.soft_targets import COMPONENTS, compute_targets, fit_subspace


@pytest.fixture(scope="module")
def made() -> tuple[np.ndarray, PictureSet]:
    """Features of 120 whole flowers, a near and a far copy of each, and 40 patterns."""
    rng = np.random.default_rng(0)
    kinds = np.arange(120) // 5 % 5
    basis = np.linalg.qr(rng.normal(size=(96, 80)))[0].T
    centers = rng.normal(0, 3, (5, 80))
    whole = (centers[kinds] + rng.normal(0, 1, (120, 80))) @ basis + rng.normal(0, 0.1, (120, 96))
    near = whole + rng.normal(0, 0.05, whole.shape)
    far = whole + rng.normal(0, 3, whole.shape)
    features = np.concatenate([whole, near, far, rng.normal(0, 1, (40, 96))]).astype(np.float32)
    count = len(features)
    flowers = GROUPS.index("flowers")
    pictures = PictureSet(
        np.zeros((count, 1, 1, 3), np.uint8),
        np.concatenate([np.tile(kinds, 3), np.full(40, BACKGROUND_INDEX)]),
        np.concatenate([np.full(360, flowers), np.full(40, GROUPS.index("patterns"))]),
        np.concatenate([np.tile(np.arange(120), 3), np.full(40, -1)]),
        np.arange(count) < 120,
    )
    return features, pictures


def test_targets_are_probabilities(made):
    targets = compute_targets(*made)
    assert targets.shape == (400, len(LABELS) + 1)
    assert targets.dtype == np.float32
    assert targets.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert targets.min() >= 0


def test_flowers_keep_their_label_and_others_are_certain(made):
    features, pictures = made
    targets = compute_targets(features, pictures)
    assert (targets[:120, :-1].argmax(axis=1) == pictures.label[:120]).mean() > 0.9
    assert (targets[360:, BACKGROUND_INDEX] == 1).all()


def test_far_copies_move_to_the_background(made):
    targets = compute_targets(*made)
    assert (targets[240:360, BACKGROUND_INDEX] > 0.5).mean() > 0.9
    assert (targets[:120, BACKGROUND_INDEX] < 0.5).mean() > 0.8


def test_targets_do_not_come_from_a_fit_on_the_same_photograph(made):
    """A photograph with the wrong label does not teach its own target."""
    features, pictures = made
    before = compute_targets(features, pictures)
    label = pictures.label.copy()
    label[[0, 120, 240]] = (label[0] + 1) % 5
    changed = PictureSet(pictures.pixels, label, pictures.group, pictures.photograph, pictures.whole)
    after = compute_targets(features, changed)
    same_fold = np.flatnonzero(pictures.whole & (pictures.photograph % soft_targets.FOLDS == 0))
    first, second = before[same_fold, :-1], after[same_fold, :-1]
    shares = first / first.sum(axis=1, keepdims=True)
    assert shares == pytest.approx(second / second.sum(axis=1, keepdims=True), abs=1e-4)


def test_subspace_axes_are_orthonormal_and_signed():
    values = np.random.default_rng(2).normal(size=(300, 90))
    subspace = fit_subspace(values)
    axes = subspace.components
    assert axes.shape == (90, COMPONENTS)
    assert axes.T @ axes == pytest.approx(np.eye(COMPONENTS), abs=1e-6)
    assert (axes[np.abs(axes).argmax(axis=0), np.arange(COMPONENTS)] > 0).all()
    centered = values - values.mean(axis=0)
    outside = np.square(centered).sum(axis=1) - np.square(centered @ axes).sum(axis=1)
    assert subspace.measure_distances(values) == pytest.approx(outside)
