"""Heads for independent labels: what is fitted, and on which pictures it is calibrated."""

import numpy as np

from appliance.workshop.training.multi_label.head import LabeledRows, fit_independent_head, measure_mean_precision

LABELS = ("a", "b", "c")


def draw(random, count, noise=1.0):
    x = random.normal(size=(count, 12))
    membership = x[:, :3] + noise * random.normal(size=(count, 3)) > 0.7
    return LabeledRows(x, membership, list(range(count)))


def fit(seed=0, is_over=lambda: False):
    random = np.random.default_rng(0)
    return fit_independent_head(LABELS, draw(random, 600), draw(random, 100), seed, is_over), draw(random, 3000)


def test_scores_of_new_pictures_are_calibrated():
    fitted, new = fit()
    scores = fitted.head.score(new.rows)
    assert fitted.merit > 0.6 and measure_mean_precision(scores, new.membership) > 0.6
    for low in (0.1, 0.3, 0.5, 0.7):
        inside = (scores >= low) & (scores < low + 0.2)
        assert abs(scores[inside].mean() - new.membership[inside].mean()) < 0.1


def test_every_picture_is_scored_by_weights_not_fitted_to_it():
    fitted, _ = fit()
    assert len(fitted.scores) == len(fitted.membership) == len(fitted.recordings) == 700
    fitted_to = fitted.head.score(draw(np.random.default_rng(0), 600).rows)
    assert not np.allclose(fitted.scores[100:], fitted_to, atol=0.01)


def test_same_seed_gives_the_same_numbers():
    one, other = fit()[0].head, fit()[0].head
    assert np.array_equal(one.weights, other.weights) and np.array_equal(one.intercepts, other.intercepts)


def test_time_that_is_over_leaves_the_first_fit_and_no_folds():
    fitted, _ = fit(is_over=lambda: True)
    assert fitted.head.strength == 0.0003 and len(fitted.scores) == 100


def test_pictures_of_one_recording_are_in_one_fold():
    """Pictures that repeat would otherwise be scored by weights that were fitted to their twins."""
    random = np.random.default_rng(2)
    x = np.repeat(random.normal(size=(20, 40)), 10, axis=0)
    membership = np.repeat(random.random((20, 1)) < 0.5, 10, axis=0)
    validation = LabeledRows(random.normal(size=(10, 40)), random.random((10, 1)) < 0.5, list(range(10)))
    apart = fit_independent_head(("a",), LabeledRows(x, membership, list(range(200))), validation, 0)
    joined = fit_independent_head(("a",), LabeledRows(x, membership, [n // 10 for n in range(200)]), validation, 0)
    own_apart, own_joined = (np.where(each.membership, each.scores, 1 - each.scores)[10:] for each in (apart, joined))
    assert own_apart.mean() > own_joined.mean() + 0.1
