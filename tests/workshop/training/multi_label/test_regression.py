"""The regression of independent labels: the same result as scikit-learn's, one label at a time."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from appliance.workshop.training.multi_label.regression import IndependentRegression


def test_weights_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 6))
    membership = x @ random.normal(size=(6, 3)) + random.normal(size=(300, 3)) > 0.5
    weights, intercepts = IndependentRegression(x, membership).fit(0.1)
    for label in range(3):
        model = LogisticRegression(C=0.1, tol=1e-8).fit(x, membership[:, label])
        assert np.allclose(weights[label], model.coef_[0], atol=0.01)
        assert np.isclose(intercepts[label], model.intercept_[0], atol=0.01)
