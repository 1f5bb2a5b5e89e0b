"""Softmax regression, with the gradient of all rows summed up in batches, so that converted rows need little memory.

The objective is that of scikit-learn's LogisticRegression: the weighted sum of the log losses plus |W|² / (2 C),
without a penalty for the intercepts. It is convex, so L-BFGS finds the same minimum, up to its tolerance. Each feature
is scaled by its curvature at the start, which takes a third of the steps and does not move the minimum.
"""

import numpy as np
from scipy.optimize import minimize

from appliance.workshop.training.feature_rows import split_rows
from appliance.workshop.training.rows import Rows

_TOLERANCE = 1e-4
_MAX_STEPS = 200
# The mean curvature of the log loss, relative to the square of a feature; it only affects the number of steps.
_CURVATURE = 0.15


class BatchedRegression:
    """Fit several strengths one after the other; each starts from the result of the one before."""

    def __init__(self, rows: Rows, targets: np.ndarray, labels: int, weights: np.ndarray | None = None) -> None:
        """Refer to the training pictures.

        Args:
            rows: (pictures, size) inputs of the head.
            targets: (pictures,) the index of each picture's label.
            labels: The number of labels.
            weights: (pictures,) how much each picture counts; None if all count the same.
        """
        self._rows, self._targets = rows, targets
        self._weights = np.ones(len(targets)) if weights is None else weights
        self._shape = labels, rows[0:1].shape[1] + 1
        self._start = np.zeros(self._shape)
        squares = np.zeros(self._shape[1])
        squares[-1] = self._weights.sum()
        for part in split_rows(len(rows)):
            squares[:-1] += self._weights[part] @ np.square(rows[part], dtype=np.float64)
        self._squares = squares

    def fit(self, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights (labels, size) and the intercepts (labels,) for a value of C."""
        if self._shape[0] == 2:
            # scikit-learn penalizes the difference of both weights, whose square is twice |W|².
            strength /= 2
        penalties = np.append(np.full(self._shape[1] - 1, 1 / strength), 0.0)
        scales = 1 / np.sqrt(_CURVATURE * self._squares + penalties)
        total = self._weights.sum()

        def measure(flat: np.ndarray) -> tuple[float, np.ndarray]:
            parameters = flat.reshape(self._shape) * scales
            loss, gradient = self._measure(parameters)
            loss += float((penalties * np.square(parameters)).sum()) / 2
            gradient += penalties * parameters
            return loss / total, (gradient * scales / total).ravel()

        found = minimize(
            measure,
            (self._start / scales).ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"gtol": _TOLERANCE / np.sqrt(total), "maxiter": _MAX_STEPS, "ftol": 1e-7},
        )
        self._start = found.x.reshape(self._shape) * scales
        return self._start[:, :-1].copy(), self._start[:, -1].copy()

    def _measure(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the weighted sum of the log losses, and its gradient."""
        weights, intercepts = parameters[:, :-1], parameters[:, -1]
        loss, gradient = 0.0, np.zeros(self._shape)
        for part in split_rows(len(self._rows)):
            x, y, counts = self._rows[part], self._targets[part], self._weights[part]
            logits = (x @ weights.T.astype(x.dtype)).astype(np.float64) + intercepts
            logits -= logits.max(axis=1, keepdims=True)
            powers = np.exp(logits)
            sums = powers.sum(axis=1, keepdims=True)
            chosen = np.arange(len(y)), y
            loss += float(counts @ (np.log(sums[:, 0]) - logits[chosen]))
            errors = powers / sums
            errors[chosen] -= 1
            errors *= counts[:, np.newaxis]
            gradient[:, :-1] += errors.T.astype(x.dtype) @ x
            gradient[:, -1] += errors.sum(axis=0)
        return loss, gradient
