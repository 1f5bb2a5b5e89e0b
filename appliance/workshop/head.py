"""The head that is taught: softmax regression on pooled features, and a gate for what it has not been taught.

Let x = sqrt(max(pooled, 0)); the square root weakens the few loud features, and without it the gate hardly works.

- The softmax says which label: fitted for several strengths of regularisation; the one with the best accuracy on the
  validation pictures stays (by log-loss one would lose 1.5 points of accuracy on flowers).
- The gate says whether it is any of them. m and U are the mean and the top principal components of all training
  features together; d = |x − m|² − |Uᵀ(x − m)|² is the squared distance from the space that the training pictures
  span. score = softmax · logistic((q − d) / s), where q is the 95 % quantile and s half the standard deviation of d
  on pictures left out in turn (5 folds). It multiplies all labels alike, so their order stays.
- With background pictures the softmax has one class more. The gate is fitted without them: it is to know the labels.

All is computed in float64 on one thread, with the signs of U fixed and the result rounded, so that the same pictures
and seed give the same numbers on the same machine. This is the only module that knows scikit-learn.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

STRENGTHS = (0.01, 0.03, 0.1, 0.3)
COMPONENTS = 64
FOLDS = 5
_QUANTILE = 0.95
_DECIMALS = 5


@dataclass(frozen=True, slots=True)
class Gate:
    """How far a picture may be from the training pictures.

    Attributes:
        mean: (size,) m.
        components: (size, k) U, orthonormal columns.
        limit: q, where the gate is half open.
        softness: s.
    """

    mean: np.ndarray
    components: np.ndarray
    limit: float
    softness: float

    def openness(self, x: np.ndarray) -> np.ndarray:
        """(pictures, size) → (pictures,) from 0 (nothing like the training pictures) to 1."""
        exponent = (distances(x, self.mean, self.components) - self.limit) / self.softness
        return 1 / (1 + np.exp(np.clip(exponent, -60, 60)))


@dataclass(frozen=True, slots=True)
class Head:
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
    gate: Gate | None
    strength: float

    def scores(self, pooled: np.ndarray) -> np.ndarray:
        """(pictures, size) pooled features → (pictures, labels), as the written model gives them within 1e-5."""
        x = rooted(pooled)
        logits = x @ self.weights.T + self.intercepts
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        softmax = powers / powers.sum(axis=1, keepdims=True)
        return softmax if self.gate is None else softmax * self.gate.openness(x)[:, np.newaxis]


def rooted(pooled: np.ndarray) -> np.ndarray:
    """Pooled features as the head takes them."""
    return np.sqrt(np.maximum(pooled, 0))


def distances(x: np.ndarray, mean: np.ndarray, components: np.ndarray) -> np.ndarray:
    """(pictures, size) → (pictures,): the squared distance from the space of the components."""
    centred = x - mean
    return np.square(centred).sum(axis=1) - np.square(centred @ components).sum(axis=1)


def fit_head(
    labels: Sequence[str],
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    background: str | None,
    seed: int,
    enough: Callable[[], bool] = lambda: False,
) -> Head:
    """Fits a head.

    Args:
        labels: Their names, the background's among them; at least two.
        train: (pooled features (pictures, size), labels as numbers (pictures,)); every label occurs.
        validation: The same, to choose the strength by.
        background: The label that the gate is not to know.
        seed: Of the folds.
        enough: Asked between fits; true: what is there must do.
    """
    x, y = rooted(train[0]), train[1]
    with threadpool_limits(1):
        weights, intercepts, strength = _fit_softmax(x, y, validation, enough)
        known = x if background is None else x[y != labels.index(background)]
        kinds = y if background is None else y[y != labels.index(background)]
        gate = fit_gate(known, kinds, seed)
    return Head(tuple(labels), weights, intercepts, gate, strength)


def _fit_softmax(
    x: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray], enough: Callable[[], bool]
) -> tuple[np.ndarray, np.ndarray, float]:
    seen, wanted = rooted(validation[0]), validation[1]
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


def fit_gate(x: np.ndarray, y: np.ndarray, seed: int) -> Gate:
    """Fits the gate.

    Args:
        x: (pictures, size) rooted features of pictures with labels.
        y: (pictures,) their labels, so that each fold has its share of every label.
        seed: Of the folds.
    """
    count = components_for(len(x))
    sums, products = x.sum(axis=0), x.T @ x
    held_out = np.empty(len(x))
    fold = _folds(y, seed)
    for number in range(FOLDS):
        out = fold == number
        left = x[out]
        # Taking a fold's part away from the sums of all costs a fifth of adding the others up.
        mean, components = _principal(sums - left.sum(axis=0), products - left.T @ left, len(x) - len(left), count)
        held_out[out] = distances(left, mean, components)
    mean, components = _principal(sums, products, len(x), count)
    limit, softness = float(np.quantile(held_out, _QUANTILE)), float(max(held_out.std() / 2, 1e-3))
    return Gate(np.round(mean, _DECIMALS), np.round(components, _DECIMALS), round(limit, _DECIMALS), round(softness, _DECIMALS))


def components_for(pictures: int) -> int:
    """How many principal components a number of pictures can carry."""
    return max(1, min(COMPONENTS, pictures // 4))


def _principal(sums: np.ndarray, products: np.ndarray, pictures: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and top components from Σx, Σxxᵀ and the number of pictures."""
    mean, size = sums / pictures, len(sums)
    count = min(count, size - 1)
    _, vectors = eigh(products - pictures * np.outer(mean, mean), subset_by_index=[size - count, size - 1], overwrite_a=True)
    vectors = vectors[:, ::-1]
    # An eigenvector's sign is anybody's choice: its largest entry is made positive.
    return mean, vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(count)])


def _folds(y: np.ndarray, seed: int) -> np.ndarray:
    """The number of a fold for each picture: shuffled, each label dealt out evenly."""
    random = np.random.default_rng(seed)
    fold = np.empty(len(y), np.intp)
    dealt = 0
    for label in np.unique(y):
        places = random.permutation(np.flatnonzero(y == label))
        fold[places] = (np.arange(len(places)) + dealt) % FOLDS
        dealt += len(places)
    return fold
