"""The folds of a cross-validation keep recordings together and labels spread."""

import numpy as np

from appliance.workshop.training.folds import FOLDS, assign_folds


def test_pictures_of_one_recording_share_a_fold():
    targets = np.repeat([0, 1], 60)
    groups = np.arange(120) // 6
    folds = assign_folds(targets, groups, 0)
    assert all(len(set(folds[groups == group].tolist())) == 1 for group in range(20))
    assert set(folds.tolist()) == set(range(FOLDS))


def test_each_label_is_spread_evenly_over_the_folds():
    targets = np.array([0] * 1000 + [1] * 12)
    folds = assign_folds(targets, np.arange(1012), 3)
    assert sorted(np.bincount(folds[targets == 1], minlength=FOLDS).tolist()) == [1] * 8 + [2] * 2
    assert np.ptp(np.bincount(folds[targets == 0], minlength=FOLDS)) <= 1


def test_same_seed_gives_the_same_folds():
    targets = np.arange(50) % 3
    first, second = (assign_folds(targets, np.arange(50), 1) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first != assign_folds(targets, np.arange(50), 2)).any()


def test_group_of_most_pictures_is_cut_so_that_a_fit_is_possible():
    folds = assign_folds(np.repeat([0, 1], 30), np.zeros(60, int), 0)
    assert set(folds.tolist()) == set(range(FOLDS))
