"""Fit the head of a model: softmax regression on features, and a gate that rejects other subjects.

Let x be the features of a picture, standardized (see head_input.py).

- The softmax chooses the label. It is fitted with several regularization strengths, and the fit with the best accuracy
  on the validation pictures is used (choosing by log loss would lose 1.5 percentage points of accuracy on flowers).
- The gate measures whether the picture shows any of the labels; see gate.py. It multiplies all scores by the same
  factor, so their order does not change.
- Background pictures add a class to the softmax. The gate is fitted without them, because it must recognize the labels.

Up to ONE_PIECE_ROWS training pictures are fitted in one piece by scikit-learn. More are fitted in batches: the same
objective, whose value and gradient are summed up over batches of rows, so that memory does not grow with the pictures;
the gate is then fitted to the first ONE_PIECE_ROWS pictures, which are a fair sample (see training_set.py).

Everything is computed in float64 on one thread, with fixed signs of eigenvectors and rounded results, so that the same
pictures and seed give the same numbers on the same machine. Only this module of the training uses scikit-learn.
"""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from appliance.workshop.training.batched_regression import BatchedRegression, Rows
from appliance.workshop.training.gate import RejectionGate, fit_gate

ONE_PIECE_ROWS = 10_000
STRENGTHS = (0.001, 0.003, 0.01, 0.03)
_DECIMALS = 5


@dataclass(frozen=True, slots=True)
class ClassifierHead:
    """A fitted head.

    Attributes:
        labels: In the order of the scores.
        weights: (labels, size).
        intercepts: (labels,).
        gate: None for a head without a gate.
        strength: scikit-learn's C with the best result on the validation pictures.
    """

    labels: tuple[str, ...]
    weights: np.ndarray
    intercepts: np.ndarray
    gate: RejectionGate | None
    strength: float

    def score(self, x: np.ndarray) -> np.ndarray:
        """Map (pictures, size) inputs of the head to (pictures, labels), equal to the written model's within 1e-5."""
        logits = x @ self.weights.T + self.intercepts
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        softmax: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
        return softmax if self.gate is None else softmax * self.gate.acceptance(x)[:, np.newaxis]


def fit_head(
    labels: Sequence[str],
    train: tuple[Rows, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    background: str | None,
    seed: int,
    is_over: Callable[[], bool] = lambda: False,
) -> ClassifierHead:
    """Fit a head.

    Args:
        labels: The names of the labels, including the background's; at least two.
        train: (inputs of the head (pictures, size), indexes of labels (pictures,)); every label occurs among the first
            ONE_PIECE_ROWS.
        validation: The same for validation pictures, for selecting the strength.
        background: The label whose pictures are not used to fit the gate.
        seed: The seed of the folds.
        is_over: Called between fits; if it returns True, the best fit so far is used.
    """
    y = train[1]
    sample = slice(0, ONE_PIECE_ROWS)
    x = train[0][sample]
    is_label = np.ones(len(x), bool) if background is None else y[sample] != labels.index(background)
    # Each fit runs on one thread, so that its numbers are reproducible; the two fits run in parallel.
    with threadpool_limits(1), ThreadPoolExecutor(1, "gate") as pool:
        gate = pool.submit(fit_gate, x[is_label], y[sample][is_label], seed)
        fitter = _OnePiece(x, y) if len(x) == len(y) else BatchedRegression(train[0], y, len(labels))
        fit = _fit_softmax(fitter.fit, validation, is_over)
        return ClassifierHead(tuple(labels), fit.weights, fit.intercepts, gate.result(), fit.strength)


@dataclass(frozen=True, slots=True)
class _SoftmaxFit:
    """A fitted softmax with its accuracy and mean log-likelihood on the validation pictures."""

    weights: np.ndarray
    intercepts: np.ndarray
    strength: float
    merit: tuple[float, float]


def _fit_softmax(
    fit_weights: Callable[[float], tuple[np.ndarray, np.ndarray]],
    validation: tuple[np.ndarray, np.ndarray],
    is_over: Callable[[], bool],
) -> _SoftmaxFit:
    validation_x, targets = validation
    best = _rate(fit_weights(STRENGTHS[0]), validation_x, targets, STRENGTHS[0])
    for strength in STRENGTHS[1:]:
        if is_over():
            break
        fit = _rate(fit_weights(strength), validation_x, targets, strength)
        if fit.merit > best.merit:
            best = fit
    return _SoftmaxFit(
        np.round(best.weights, _DECIMALS), np.round(best.intercepts, _DECIMALS), best.strength, best.merit
    )


class _OnePiece:
    """Fit all rows at once."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self._x, self._y = x, y

    def fit(self, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights and intercepts for a value of C."""
        model = LogisticRegression(C=strength, tol=1e-3, max_iter=300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the result is good enough after 300 steps
            model.fit(self._x, self._y)
        weights, intercepts = model.coef_, model.intercept_
        if len(weights) == 1:
            # For two classes, scikit-learn stores the difference of their logits.
            weights, intercepts = np.vstack([-weights, weights]) / 2, np.concatenate([-intercepts, intercepts]) / 2
        return weights, intercepts


def _rate(
    fitted: tuple[np.ndarray, np.ndarray], validation_x: np.ndarray, targets: np.ndarray, strength: float
) -> _SoftmaxFit:
    """Measure fitted weights and intercepts on the validation pictures."""
    weights, intercepts = fitted
    logits = validation_x @ weights.T + intercepts
    shifted = logits - logits.max(axis=1, keepdims=True)
    likelihood = shifted[np.arange(len(targets)), targets] - np.log(np.exp(shifted).sum(axis=1))
    # If accuracies are equal, which is common with few pictures, the likelihood of the correct labels decides.
    merit = (round(float((logits.argmax(axis=1) == targets).mean()), 9), round(float(likelihood.mean()), 9))
    return _SoftmaxFit(weights, intercepts, strength, merit)
