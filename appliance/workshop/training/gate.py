"""Fit the rejection gate of a head: its acceptance measures how similar a picture is to the training pictures.

A softmax must choose one of its labels for every picture. The gate multiplies the softmax scores by two factors from 0
to 1. Both factors are fitted only on the training pictures, without any pictures of other subjects. Let x be the head's
features for a picture, and let m and U be the mean and the principal components of the features of all training
pictures.

- Far: d = |x − m|² − |Uᵀ(x − m)|², with the top 64 components, is the squared distance from the subspace of the
  training pictures. It rejects very different subjects, such as clothing for a flowers head.
- Near: r, the relative Mahalanobis distance (Ren et al. 2021, arXiv:2106.09022), is the squared distance from the
  nearest label's center minus that from the center of all labels, in units of the spread within labels (covariance
  in the top 256 components, shrunk by a tenth toward the identity). Of the tested methods, it is the best at rejecting
  subjects between the labels, such as a sixth kind of flower.

acceptance = logistic((q_d − d) / s_d) · logistic((q_r − r) / s_r). q and s are computed from held-out pictures (5
folds): q_d is the 93 % quantile of d, s_d a fourth of its standard deviation, q_r the 98 % quantile of r, and s_r its
standard deviation.

r needs one direction fewer than there are labels: in the directions that separate the labels (linear discriminants),
scaled to a spread of 1 within labels, all other directions cancel out. If v is the picture's coordinates in these
directions, c the centers, and λ the spread between labels, then r = Σ v² λ / (1 + λ) − max over labels of
(2 cᵀv − |c|²).
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
    """A soft limit: logistic((limit − value) / softness)."""

    limit: float
    softness: float

    def acceptance(self, values: np.ndarray) -> np.ndarray:
        """Return values from 1 (far below the limit) to 0 (far above it)."""
        accepted: np.ndarray = 1 / (1 + np.exp(np.clip((values - self.limit) / self.softness, -60, 60)))
        return accepted


@dataclass(frozen=True, slots=True)
class PrincipalSubspace:
    """The subspace of the training pictures; it measures d in the module's docstring.

    Attributes:
        mean: (size,) m.
        components: (size, k) U, orthonormal columns.
    """

    mean: np.ndarray
    components: np.ndarray

    def measure_distances(self, x: np.ndarray) -> np.ndarray:
        """Map (pictures, size) to (pictures,)."""
        centered = x - self.mean
        distances: np.ndarray = np.square(centered).sum(axis=1) - np.square(centered @ self.components).sum(axis=1)
        return distances


@dataclass(frozen=True, slots=True)
class DiscriminantSpace:
    """The space that separates the labels; it measures r in the module's docstring.

    Attributes:
        mean: (size,) m.
        directions: (size, labels − 1), scaled so that the spread within labels is 1.
        centers: (labels, labels − 1) c.
        ratios: (labels − 1,) λ / (1 + λ).
    """

    mean: np.ndarray
    directions: np.ndarray
    centers: np.ndarray
    ratios: np.ndarray

    def measure_distances(self, x: np.ndarray) -> np.ndarray:
        """Map (pictures, size) to (pictures,): below 0 if a label's center is nearer than the center of all labels."""
        v = (x - self.mean) @ self.directions
        nearest = (2 * v @ self.centers.T - np.square(self.centers).sum(axis=1)).max(axis=1)
        distances: np.ndarray = np.square(v) @ self.ratios - nearest
        return distances


@dataclass(frozen=True, slots=True)
class RejectionGate:
    """A fitted gate; for a single label, `discriminants` and `near` are None, because no subject is between labels."""

    subspace: PrincipalSubspace
    far: LogisticCutoff
    discriminants: DiscriminantSpace | None
    near: LogisticCutoff | None

    def acceptance(self, x: np.ndarray) -> np.ndarray:
        """Map (pictures, size) to (pictures,): from 0 (unlike all training pictures) to 1."""
        acceptance = self.far.acceptance(self.subspace.measure_distances(x))
        if self.discriminants is not None and self.near is not None:
            acceptance = acceptance * self.near.acceptance(self.discriminants.measure_distances(x))
        return acceptance


def fit_gate(x: np.ndarray, y: np.ndarray, seed: int) -> RejectionGate:
    """Fit a gate.

    Args:
        x: (pictures, size) the features of labeled pictures, as used by the head.
        y: (pictures,) the labels of the pictures.
        seed: The seed of the folds.
    """
    # If there are few pictures, the matrix of products between pictures is smaller, and _fit_spaces computes it.
    sums, products = x.sum(axis=0), x.T @ x if len(x) > x.shape[1] else None
    far, near = np.empty(len(x)), np.empty(len(x))
    folds = _assign_folds(y, seed)
    for fold in range(FOLDS):
        held_out = folds == fold
        rows = x[held_out]
        # Subtracting a fold from the sums of all pictures costs a fifth of summing up the other folds.
        subspace, discriminants = _fit_spaces(
            x[~held_out], y[~held_out], sums - rows.sum(axis=0), None if products is None else products - rows.T @ rows
        )
        far[held_out] = subspace.measure_distances(rows)
        if discriminants is not None:
            near[held_out] = discriminants.measure_distances(rows)
    subspace, discriminants = _fit_spaces(x, y, sums, products)
    return RejectionGate(
        subspace,
        _fit_cutoff(far, _FAR_QUANTILE, _FAR_SPREAD),
        discriminants,
        None if discriminants is None else _fit_cutoff(near, _NEAR_QUANTILE, _NEAR_SPREAD),
    )


def count_far_components(pictures: int) -> int:
    """Return the number of principal components that can be estimated from this number of pictures."""
    return max(1, min(FAR_COMPONENTS, pictures // 4))


def _fit_spaces(
    x: np.ndarray, y: np.ndarray, sums: np.ndarray, products: np.ndarray | None
) -> tuple[PrincipalSubspace, DiscriminantSpace | None]:
    """Fit both spaces to (pictures, size) features; `sums` is Σx, `products` Σxxᵀ, or None for few pictures."""
    pictures = len(x)
    mean = sums / pictures
    components = _fit_components(x, mean, products)
    mean = np.round(mean, _DECIMALS)
    subspace = PrincipalSubspace(mean, np.round(components[:, : count_far_components(pictures)], _DECIMALS))
    if len(np.unique(y)) < 2:
        return subspace, None
    return subspace, _fit_discriminants(x, y, mean, components)


def _fit_components(x: np.ndarray, mean: np.ndarray, products: np.ndarray | None) -> np.ndarray:
    """Return the top principal components as columns, the largest first."""
    pictures, size = x.shape
    count = max(1, min(NEAR_COMPONENTS, pictures // 2, size - 1))
    if products is None:
        centered = x - mean
        lengths, vectors = eigh(
            centered @ centered.T, subset_by_index=[pictures - count, pictures - 1], overwrite_a=True
        )
        vectors = centered.T @ vectors / np.sqrt(np.maximum(lengths, 1e-9))
    else:
        spread = products - pictures * np.outer(mean, mean)
        _, vectors = eigh(spread, subset_by_index=[size - count, size - 1], overwrite_a=True)
    return _fix_signs(vectors[:, ::-1])


def _fit_discriminants(x: np.ndarray, y: np.ndarray, mean: np.ndarray, components: np.ndarray) -> DiscriminantSpace:
    labels, count = np.unique(y), components.shape[1]
    coordinates = (x - mean) @ components
    means = np.stack([coordinates[y == label].mean(axis=0) for label in labels])
    weights = np.array([(y == label).mean() for label in labels])
    deviations = coordinates - means[np.searchsorted(labels, y)]
    within = deviations.T @ deviations / len(x)
    # The lower bound has an effect only if the base gives the same features for every picture.
    within = (1 - _SHRINK) * within + max(_SHRINK * np.trace(within) / count, 1e-6) * np.eye(count)
    between = (means.T * weights) @ means
    directions = min(len(labels) - 1, count)
    spread, vectors = eigh(between, within, subset_by_index=[count - directions, count - 1])
    vectors = _fix_signs(vectors)
    spread = np.maximum(spread, 0)
    return DiscriminantSpace(
        mean,
        np.round(components @ vectors, _DECIMALS),
        np.round(means @ vectors, _DECIMALS),
        np.round(spread / (1 + spread), _DECIMALS),
    )


def _fix_signs(vectors: np.ndarray) -> np.ndarray:
    """Make the largest entry of each eigenvector (column) positive, because its sign is arbitrary."""
    fixed: np.ndarray = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    return fixed


def _fit_cutoff(values: np.ndarray, quantile: float, spread: float) -> LogisticCutoff:
    softness = max(float(values.std()) * spread, 1e-3)
    return LogisticCutoff(round(float(np.quantile(values, quantile)), _DECIMALS), round(softness, _DECIMALS))


def _assign_folds(y: np.ndarray, seed: int) -> np.ndarray:
    """Return a random fold index for each picture, with the pictures of each label evenly distributed."""
    random = np.random.default_rng(seed)
    folds = np.empty(len(y), np.intp)
    assigned = 0
    for label in np.unique(y):
        indexes = random.permutation(np.flatnonzero(y == label))
        folds[indexes] = (np.arange(len(indexes)) + assigned) % FOLDS
        assigned += len(indexes)
    return folds
