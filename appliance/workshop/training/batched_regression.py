"""Softmax regression on more rows than fit into memory: the gradient of all rows, summed up in batches.

The objective is that of scikit-learn's LogisticRegression: the sum of the log losses plus |W|² / (2 C), without a
penalty for the intercepts. It is convex, so L-BFGS finds the same minimum, up to its tolerance.
"""

from typing import Protocol

import numpy as np
from scipy.optimize import minimize

from appliance.workshop.training.feature_rows import split_rows

_TOLERANCE = 1e-3
_MAX_STEPS = 300


class Rows(Protocol):
    """(rows, size) inputs of a head: an array, or features that are converted when they are used."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def __getitem__(self, key: slice) -> np.ndarray:
        """Return some rows as float64."""
        ...


class BatchedRegression:
    """Fit several strengths one after the other; each starts from the result of the one before."""

    def __init__(self, rows: Rows, targets: np.ndarray, labels: int) -> None:
        """Refer to the training pictures.

        Args:
            rows: (pictures, size) inputs of the head.
            targets: (pictures,) the index of each picture's label.
            labels: The number of labels.
        """
        self._rows, self._targets = rows, targets
        self._shape = labels, rows[0:1].shape[1] + 1
        self._start = np.zeros(self._shape)

    def fit(self, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights (labels, size) and the intercepts (labels,) for a value of C."""
        if self._shape[0] == 2:
            # scikit-learn penalizes the difference of both weights, whose square is twice |W|².
            strength /= 2
        found = minimize(
            lambda flat: self._measure(flat, strength),
            self._start.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"gtol": _TOLERANCE, "maxiter": _MAX_STEPS, "ftol": 64 * np.finfo(float).eps},
        )
        self._start = found.x.reshape(self._shape)
        return self._start[:, :-1].copy(), self._start[:, -1].copy()

    def _measure(self, flat: np.ndarray, strength: float) -> tuple[float, np.ndarray]:
        """Return the objective divided by the number of rows, and its gradient."""
        parameters = flat.reshape(self._shape)
        weights, intercepts = parameters[:, :-1], parameters[:, -1]
        loss, gradient = 0.0, np.zeros(self._shape)
        for part in split_rows(len(self._rows)):
            x, y = self._rows[part], self._targets[part]
            logits = x @ weights.T + intercepts
            logits -= logits.max(axis=1, keepdims=True)
            powers = np.exp(logits)
            sums = powers.sum(axis=1, keepdims=True)
            chosen = np.arange(len(y)), y
            loss += float((np.log(sums[:, 0]) - logits[chosen]).sum())
            errors = powers / sums
            errors[chosen] -= 1
            gradient[:, :-1] += errors.T @ x
            gradient[:, -1] += errors.sum(axis=0)
        gradient[:, :-1] += weights / strength
        loss += float(np.square(weights).sum()) / (2 * strength)
        return loss / len(self._rows), (gradient / len(self._rows)).ravel()
