"""The gate of a head: it rejects pictures that are unlike all training pictures, whatever the softmax prefers.

Let m and U be the mean and the top 64 principal components of the inputs x of all labeled training pictures. Then d =
|x − m|² − |Uᵀ(x − m)|² is the squared distance from the subspace of the training pictures. The score of a label is
multiplied by logistic((q − d) / s). rejection.py chooses the limits q, one for each label, by what they cost and by
what they let through; s is a tenth of the standard deviation of d, so that the scores of accepted pictures hardly
change.

The distances that limits are chosen by must come from pictures that the subspace was not fitted to, because d is
smaller for those that it was fitted to (measured: a limit for 90 % of the training pictures accepted 1 % of new ones).
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from appliance.workshop.training.discriminant import Moments
from appliance.workshop.training.feature_rows import split_rows
from appliance.workshop.training.projection import PrincipalAxes, Projected

COMPONENTS = 64
_SPREAD = 0.1
# A label with fewer pictures gets a limit of its own; one limit for all others keeps the order of the labels.
_FEW = 100
_DECIMALS = 5


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

    def measure_projected(self, pictures: Projected) -> np.ndarray:
        """Return the distances of projected pictures, for a subspace in the coordinates of their projection."""
        distances = np.empty(len(pictures))
        for part in split_rows(len(pictures)):
            distances[part] = self.measure_distances(pictures.coordinates[part]) + pictures.rests[part]
        return distances

    def restore(self, projection: PrincipalAxes) -> "PrincipalSubspace":
        """Return the same subspace for x itself instead of its coordinates."""
        return PrincipalSubspace(
            np.round(projection.mean + projection.axes @ self.mean, _DECIMALS),
            np.round(projection.axes @ self.components, _DECIMALS),
        )


@dataclass(frozen=True, slots=True)
class RejectionGate:
    """A fitted gate.

    Attributes:
        subspace: Measures the distance d.
        limits: (labels,) the distance at which the score of each label is halved.
        softness: s.
    """

    subspace: PrincipalSubspace
    limits: np.ndarray
    softness: float

    def acceptance(self, x: np.ndarray) -> np.ndarray:
        """Map (pictures, size) to (pictures, labels): from 0 (unlike all training pictures) to 1."""
        return accept(self.subspace.measure_distances(x), self.limits, self.softness)


def accept(distances: np.ndarray, limits: np.ndarray, softness: float) -> np.ndarray:
    """Return (pictures, labels): 1 far below the limit of a label, 0.5 at it, and 0 far above."""
    accepted: np.ndarray = 1 / (1 + np.exp(np.clip((distances[:, np.newaxis] - limits) / softness, -60, 60)))
    return accepted


def fit_subspace(moments: Moments) -> PrincipalSubspace:
    """Fit the subspace to at least two pictures, in the coordinates of their projection."""
    count, size = float(moments.counts.sum()), len(moments.products)
    mean = moments.sums.sum(axis=0) / count
    # So many components can be estimated from this number of pictures; of few axes, some must remain for distances.
    components = max(1, min(COMPONENTS, int(count) // 4, size // 2))
    spread = moments.products - count * np.outer(mean, mean)
    _, vectors = eigh(spread, subset_by_index=(size - components, size - 1))
    return PrincipalSubspace(mean, vectors[:, ::-1])


def measure_softness(distances: np.ndarray) -> float:
    """Return s for the distances of pictures that the subspace was not fitted to."""
    return round(max(float(distances.std()) * _SPREAD, 1e-3), _DECIMALS)


def choose_limits(distances: np.ndarray, targets: np.ndarray, labels: int, quantile: float) -> np.ndarray:
    """Return the limit of each label, (labels,), that accepts this share of the pictures.

    The common limit applies to labels with many pictures, and to a label whose own pictures are nearer. The limit of a
    rare label, which has little influence on the subspace, is at the same quantile of its own pictures if they are
    farther. If they are too few for that quantile, it is one standard deviation beyond the farthest.

    Args:
        distances: (pictures,) of pictures that the subspace was not fitted to.
        targets: (pictures,) the index of each picture's label.
        labels: The number of labels.
        quantile: From 0 to 1.
    """
    limits = np.full(labels, np.quantile(distances, quantile))
    for label in range(labels):
        own = np.sort(distances[targets == label])
        if 0 < len(own) < _FEW:
            rank = int(np.ceil(quantile * (len(own) + 1)))
            farthest = own[rank - 1] if rank <= len(own) else own[-1] + own.std()
            limits[label] = max(limits[label], farthest)
    return np.round(limits, _DECIMALS)
