"""The head that is taught: softmax regression on pooled features, and a gate for what it has not been taught.

Let x = sqrt(max(pooled, 0)); the square root weakens the few loud features, and without it the gate hardly works.

- The softmax says which label: fitted for several strengths of regularisation; the one with the best accuracy on the
  validation pictures stays (by log-loss one would lose 1.5 points of accuracy on flowers).
- The gate says whether it is any of them: see gate.py. It multiplies all labels alike, so their order stays.
- With background pictures the softmax has one class more. The gate is fitted without them: it is to know the labels.

All is computed in float64 on one thread, with the signs of eigenvectors fixed and the results rounded, so that the same
pictures and seed give the same numbers on the same machine. This is the only module that knows scikit-learn.
"""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from appliance.workshop.training.gate import RejectionGate, fit_gate

STRENGTHS = (0.01, 0.03, 0.1, 0.3)
_DECIMALS = 5


@dataclass(frozen=True, slots=True)
class ClassifierHead:
    """A fitted head.

    Attributes:
        labels: In the order of the scores.
        weights: (labels, size).
        intercepts: (labels,).
        gate: None where there is none.
        strength: scikit-learn's C that won on validation.
    """

    labels: tuple[str, ...]
    weights: np.ndarray
    intercepts: np.ndarray
    gate: RejectionGate | None
    strength: float

    def score(self, pooled: np.ndarray) -> np.ndarray:
        """(pictures, size) pooled features → (pictures, labels), as the written model gives them within 1e-5."""
        x = sqrt_features(pooled)
        logits = x @ self.weights.T + self.intercepts
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        softmax = powers / powers.sum(axis=1, keepdims=True)
        return softmax if self.gate is None else softmax * self.gate.acceptance(x)[:, np.newaxis]


def sqrt_features(pooled: np.ndarray) -> np.ndarray:
    """Pooled features as the head takes them."""
    return np.sqrt(np.maximum(pooled, 0))


def fit_head(
    labels: Sequence[str],
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    background: str | None,
    seed: int,
    enough: Callable[[], bool] = lambda: False,
) -> ClassifierHead:
    """Fits a head.

    Args:
        labels: Their names, the background's among them; at least two.
        train: (pooled features (pictures, size), labels as numbers (pictures,)); every label occurs.
        validation: The same, to choose the strength by.
        background: The label that the gate is not to know.
        seed: Of the folds.
        enough: Asked between fits; true: what is there must do.
    """
    x, y = sqrt_features(train[0]), train[1]
    known = np.ones(len(y), bool) if background is None else y != labels.index(background)
    # Each fit is on one thread, for the sake of the same numbers; two fits need not wait for each other.
    with threadpool_limits(1), ThreadPoolExecutor(1, "gate") as beside:
        gate = beside.submit(fit_gate, x[known], y[known], seed)
        weights, intercepts, strength = _fit_softmax(x, y, validation, enough)
        return ClassifierHead(tuple(labels), weights, intercepts, gate.result(), strength)


def _fit_softmax(
    x: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray], enough: Callable[[], bool]
) -> tuple[np.ndarray, np.ndarray, float]:
    seen, wanted = sqrt_features(validation[0]), validation[1]
    best: tuple[tuple[float, float], np.ndarray, np.ndarray, float] | None = None
    for strength in STRENGTHS:
        if best is not None and enough():
            break
        model = LogisticRegression(C=strength, tol=1e-3, max_iter=300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the best of 300 steps is taken as it is
            model.fit(x, y)
        weights, intercepts = model.coef_, model.intercept_
        if len(weights) == 1:
            # For two classes scikit-learn keeps the difference of their logits.
            weights, intercepts = np.vstack([-weights, weights]) / 2, np.concatenate([-intercepts, intercepts]) / 2
        logits = seen @ weights.T + intercepts
        shifted = logits - logits.max(axis=1, keepdims=True)
        likelihood = shifted[np.arange(len(wanted)), wanted] - np.log(np.exp(shifted).sum(axis=1))
        # Where accuracy is the same, as often with few pictures, the likelihood of the right labels decides.
        merit = (round(float((logits.argmax(axis=1) == wanted).mean()), 9), round(float(likelihood.mean()), 9))
        if best is None or merit > best[0]:
            best = merit, weights, intercepts, strength
    _, weights, intercepts, strength = best
    return np.round(weights, _DECIMALS), np.round(intercepts, _DECIMALS), strength
