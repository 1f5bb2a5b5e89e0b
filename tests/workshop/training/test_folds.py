"""The folds of a cross-validation keep recordings together and labels spread."""

import numpy as np

from appliance.workshop.training.folds import FOLDS, FOLDS_OF_FEW, assign_folds, count_scored_folds


def test_pictures_of_one_recording_share_a_fold():
    targets = np.repeat([0, 1], 60)
    groups = np.arange(120) // 6
    folds = assign_folds(targets, groups, 0)
    assert all(len(set(folds[groups == group].tolist())) == 1 for group in range(20))
    assert set(folds.tolist()) == set(range(FOLDS_OF_FEW))


def test_each_label_is_spread_evenly_over_the_folds():
    targets = np.array([0] * 1000 + [1] * 12)
    folds = assign_folds(targets, np.arange(1012), 3)
    assert sorted(np.bincount(folds[targets == 1], minlength=FOLDS).tolist()) == [2, 2, 2, 3, 3]
    assert np.ptp(np.bincount(folds[targets == 0], minlength=FOLDS)) <= 1


def test_same_seed_gives_the_same_folds():
    targets = np.arange(50) % 3
    first, second = (assign_folds(targets, np.arange(50), 1) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first != assign_folds(targets, np.arange(50), 2)).any()


def test_group_of_most_pictures_is_cut_so_that_a_fit_is_possible():
    folds = assign_folds(np.repeat([0, 1], 30), np.zeros(60, int), 0)
    assert set(folds.tolist()) == set(range(FOLDS_OF_FEW))


def test_folds_are_scored_until_enough_pictures_are_unseen():
    counts = {pictures: count_scored_folds(pictures) for pictures in (500, 3000, 10_000, 12_501, 30_000, 50_001)}
    assert counts == {500: 10, 3000: 5, 10_000: 5, 12_501: 4, 30_000: 2, 50_001: 1}
