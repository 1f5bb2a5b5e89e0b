"""The calibration of independent labels: scores that are right as often as they claim."""

import numpy as np
from scipy.special import expit

from appliance.workshop.training.multi_label.calibration import fit_calibration


def draw(random, slope, shift, count=4000):
    logits = random.normal(scale=3, size=count)
    return logits, random.random(count) < expit(slope * logits + shift)


def test_each_label_gets_its_own_slope_and_shift():
    random = np.random.default_rng(0)
    columns = [draw(random, 0.5, 1.0), draw(random, 2.0, -1.0)]
    logits, is_own = (np.stack([column[part] for column in columns], axis=1) for part in (0, 1))
    calibration = fit_calibration(logits, is_own)
    assert np.allclose(calibration.slopes, [0.5, 2.0], rtol=0.15)
    assert np.allclose(calibration.shifts, [1.0, -1.0], atol=0.15)
    scores = calibration.score(logits)
    for label in range(2):
        likely = scores[:, label] > 0.8
        assert abs(scores[likely, label].mean() - is_own[likely, label].mean()) < 0.03


def test_label_without_examples_gets_the_common_values():
    random = np.random.default_rng(1)
    logits, is_own = draw(random, 1.5, 0.0)
    table = np.stack([logits, logits], axis=1)
    calibration = fit_calibration(table, np.stack([is_own, np.zeros(len(is_own), bool)], axis=1))
    assert np.isfinite(calibration.slopes).all() and np.isfinite(calibration.shifts).all()


def test_perfectly_separated_label_keeps_a_finite_slope():
    logits = np.linspace(-5, 5, 40)[:, np.newaxis]
    scores = fit_calibration(logits, logits > 0).score(logits)
    assert 0.9 < scores.max() < 1 and 0 < scores.min() < 0.1
