"""The gate of a head: how open it is for a picture says whether the head was taught anything like it.

A softmax must name one of its labels whatever it sees. The gate multiplies its scores by two numbers from 0 to 1, both
fitted on the training pictures alone, with no picture of anything else. x are the head's features of a picture, m and
U their mean and principal components over all training pictures.

- Far: d = |x − m|² − |Uᵀ(x − m)|², with the top 64 components, is the squared distance from the space that the
  training pictures span. It keeps out what is of quite another kind: clothing from a head for flowers.
- Near: r, the relative Mahalanobis distance (Ren et al. 2021, arXiv:2106.09022), is the squared distance from the
  nearest label's centre less that from the middle of all labels, in units of the spread within labels (covariance
  in the top 256 components, shrunk by a tenth towards the identity). It is the better of those tried at keeping out
  what is between the labels: a sixth kind of flower.

openness = logistic((q_d − d) / s_d) · logistic((q_r − r) / s_r), where q and s come from the values of pictures left out
in turn (5 folds): the 93 % quantile and a fourth of the standard deviation of d, the 98 % quantile and the standard
deviation of r.

r needs only as many directions as there are labels, less one: in those that tell labels apart (linear discriminants),
scaled so that the spread within labels is 1, all others cancel out. With v the picture's place there, c the centres
and λ the spread between labels, r = Σ v² λ / (1 + λ) − max over labels of (2 cᵀv − |c|²).
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

FAR_COMPONENTS = 64
NEAR_COMPONENTS = 256
FOLDS = 5
_SHRINK = 0.1
_FAR_QUANTILE, _FAR_SPREAD = 0.93, 0.25
_NEAR_QUANTILE, _NEAR_SPREAD = 0.98, 1.0
_DECIMALS = 5


@dataclass(frozen=True, slots=True)
class LogisticCutoff:
    """logistic((limit − value) / softness)."""

    limit: float
    softness: float

    def acceptance(self, values: np.ndarray) -> np.ndarray:
        """From 1 (far below the limit) to 0."""
        return 1 / (1 + np.exp(np.clip((values - self.limit) / self.softness, -60, 60)))


@dataclass(frozen=True, slots=True)
class PrincipalSubspace:
    """The space of the training pictures: d of the module's docstring.

    Attributes:
        mean: (size,) m.
        components: (size, k) U, orthonormal columns.
    """

    mean: np.ndarray
    components: np.ndarray

    def measure_distances(self, x: np.ndarray) -> np.ndarray:
        """(pictures, size) → (pictures,)."""
        centred = x - self.mean
        return np.square(centred).sum(axis=1) - np.square(centred @ self.components).sum(axis=1)


@dataclass(frozen=True, slots=True)
class DiscriminantSpace:
    """Where the labels lie: r of the module's docstring.

    Attributes:
        mean: (size,) m.
        directions: (size, labels − 1), scaled so that the spread within labels is 1.
        centres: (labels, labels − 1) c.
        pulls: (labels − 1,) λ / (1 + λ).
    """

    mean: np.ndarray
    directions: np.ndarray
    centres: np.ndarray
    pulls: np.ndarray

    def measure_distances(self, x: np.ndarray) -> np.ndarray:
        """(pictures, size) → (pictures,); below 0 where a label is nearer than the middle."""
        v = (x - self.mean) @ self.directions
        return np.square(v) @ self.pulls - (2 * v @ self.centres.T - np.square(self.centres).sum(axis=1)).max(axis=1)


@dataclass(frozen=True, slots=True)
class RejectionGate:
    """A fitted gate; `kinds` and `near` are None where there is only one label, which lies between nothing."""

    space: PrincipalSubspace
    far: LogisticCutoff
    kinds: DiscriminantSpace | None
    near: LogisticCutoff | None

    def acceptance(self, x: np.ndarray) -> np.ndarray:
        """(pictures, size) → (pictures,) from 0 (nothing like the training pictures) to 1."""
        openness = self.far.acceptance(self.space.measure_distances(x))
        if self.kinds is not None and self.near is not None:
            openness = openness * self.near.acceptance(self.kinds.measure_distances(x))
        return openness


def fit_gate(x: np.ndarray, y: np.ndarray, seed: int) -> RejectionGate:
    """Fits a gate.

    Args:
        x: (pictures, size) features as the head takes them, of pictures with labels.
        y: (pictures,) their labels.
        seed: Of the folds.
    """
    # Of few pictures the products between pictures are the smaller matrix, and made where they are needed.
    sums, products = x.sum(axis=0), x.T @ x if len(x) > x.shape[1] else None
    far, near = np.empty(len(x)), np.empty(len(x))
    fold = _folds(y, seed)
    for number in range(FOLDS):
        out = fold == number
        left = x[out]
        # Taking a fold's part away from the sums of all costs a fifth of adding the others up.
        space, kinds = _fit(
            x[~out], y[~out], sums - left.sum(axis=0), None if products is None else products - left.T @ left
        )
        far[out] = space.measure_distances(left)
        if kinds is not None:
            near[out] = kinds.measure_distances(left)
    space, kinds = _fit(x, y, sums, products)
    slope = _slope(far, _FAR_QUANTILE, _FAR_SPREAD)
    return RejectionGate(space, slope, kinds, None if kinds is None else _slope(near, _NEAR_QUANTILE, _NEAR_SPREAD))


def count_far_components(pictures: int) -> int:
    """How many principal components a number of pictures can carry."""
    return max(1, min(FAR_COMPONENTS, pictures // 4))


def _fit(
    x: np.ndarray, y: np.ndarray, sums: np.ndarray, products: np.ndarray | None
) -> tuple[PrincipalSubspace, DiscriminantSpace | None]:
    """Space and kinds of (pictures, size) features, whose Σx, and Σxxᵀ unless the pictures are few, are given."""
    pictures, size = x.shape
    mean = sums / pictures
    count = max(1, min(NEAR_COMPONENTS, pictures // 2, size - 1))
    if products is None:
        centred = x - mean
        lengths, vectors = eigh(centred @ centred.T, subset_by_index=[pictures - count, pictures - 1], overwrite_a=True)
        vectors = centred.T @ vectors / np.sqrt(np.maximum(lengths, 1e-9))
    else:
        spread = products - pictures * np.outer(mean, mean)
        _, vectors = eigh(spread, subset_by_index=[size - count, size - 1], overwrite_a=True)
    components = _turned(vectors[:, ::-1])
    mean = np.round(mean, _DECIMALS)
    space = PrincipalSubspace(mean, np.round(components[:, : count_far_components(pictures)], _DECIMALS))
    labels = np.unique(y)
    if len(labels) < 2:
        return space, None
    places = (x - mean) @ components
    means = np.stack([places[y == label].mean(axis=0) for label in labels])
    weights = np.array([(y == label).mean() for label in labels])
    apart = places - means[np.searchsorted(labels, y)]
    within = apart.T @ apart / pictures
    # The floor matters only where a base sees the same in every picture.
    within = (1 - _SHRINK) * within + max(_SHRINK * np.trace(within) / count, 1e-6) * np.eye(count)
    between = (means.T * weights) @ means
    many = min(len(labels) - 1, count)
    spread, vectors = eigh(between, within, subset_by_index=[count - many, count - 1])
    vectors = _turned(vectors)
    spread = np.maximum(spread, 0)
    return space, DiscriminantSpace(
        mean,
        np.round(components @ vectors, _DECIMALS),
        np.round(means @ vectors, _DECIMALS),
        np.round(spread / (1 + spread), _DECIMALS),
    )


def _turned(vectors: np.ndarray) -> np.ndarray:
    """Eigenvectors (columns), whose sign is anybody's choice, with their largest entry made positive."""
    return vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])


def _slope(values: np.ndarray, quantile: float, spread: float) -> LogisticCutoff:
    softness = max(float(values.std()) * spread, 1e-3)
    return LogisticCutoff(round(float(np.quantile(values, quantile)), _DECIMALS), round(softness, _DECIMALS))


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
