"""Logistic regression of several labels at once, each against all pictures without it, in batches of rows.

The objective of each label is that of scikit-learn's LogisticRegression: the sum of the log losses plus |w|² / (2 C),
without a penalty for the intercept. The labels do not affect each other; they are fitted together because the rows are
then read once for all of them. The sum is convex, so L-BFGS finds the minimum, up to its tolerance.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from appliance.workshop.training.feature_rows import split_rows
from appliance.workshop.training.rows import Rows

_TOLERANCE = 1e-4
_MAX_STEPS = 300


class IndependentRegression:
    """Fit several strengths one after the other; each starts from the result of the one before."""

    def __init__(self, rows: Rows, membership: np.ndarray) -> None:
        """Refer to the training pictures.

        Args:
            rows: (pictures, size) inputs of the head.
            membership: (pictures, labels) bool, the labels of each picture.
        """
        self._rows, self._membership = rows, membership
        self._start = np.zeros((membership.shape[1], rows[0:1].shape[1] + 1))
        # Start each intercept at the label's share, so that rare labels need no more steps.
        share = np.clip(membership.mean(axis=0), 1e-3, 1 - 1e-3)
        self._start[:, -1] = np.log(share / (1 - share))

    def fit(self, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights (labels, size) and the intercepts (labels,) for a value of C."""
        found = minimize(
            lambda flat: self._measure(flat, strength),
            self._start.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"gtol": _TOLERANCE, "maxiter": _MAX_STEPS, "ftol": 64 * np.finfo(float).eps},
        )
        self._start = found.x.reshape(self._start.shape)
        return self._start[:, :-1].copy(), self._start[:, -1].copy()

    def _measure(self, flat: np.ndarray, strength: float) -> tuple[float, np.ndarray]:
        """Return the objective divided by the number of rows, and its gradient."""
        parameters = flat.reshape(self._start.shape)
        weights, intercepts = parameters[:, :-1], parameters[:, -1]
        loss, gradient = 0.0, np.zeros(parameters.shape)
        for part in split_rows(len(self._rows)):
            x, is_own = self._rows[part], self._membership[part]
            logits = x @ weights.T + intercepts
            loss += float(np.logaddexp(0, logits).sum() - logits[is_own].sum())
            errors = expit(logits) - is_own
            gradient[:, :-1] += errors.T @ x
            gradient[:, -1] += errors.sum(axis=0)
        gradient[:, :-1] += weights / strength
        loss += float(np.square(weights).sum()) / (2 * strength)
        return loss / len(self._rows), (gradient / len(self._rows)).ravel()
