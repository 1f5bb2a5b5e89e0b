"""Turn the features of a base into the input x of a head: choose layers, and standardize each feature.

The square root of the pooled features reduces the few large ones. Then each feature is shifted and scaled such that its
mean on the training pictures is 0 and its standard deviation 1. The written model computes the same by operators, so
whatever is fitted to x (weights, distances) is used as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from appliance.workshop.training.feature_rows import split_rows
from appliance.workshop.training.rows import Rows
from appliance.workshop.training.stages import FINE_TUNED, FeatureGroup

# A feature that hardly ever differs from its mean is not enlarged beyond this share of its layer's typical deviation.
_LEAST_DEVIATION = 0.1


@dataclass(frozen=True, slots=True)
class HeadInput:
    """The map from all features of a base to the input of a head.

    Attributes:
        groups: The layers that are used, in the order of x.
        mean: (size,) the means, after the square root of the pooled features.
        factor: (size,) 1 / standard deviation.
    """

    groups: tuple[FeatureGroup, ...]
    mean: np.ndarray
    factor: np.ndarray

    @property
    def size(self) -> int:
        """The number of values of x."""
        return len(self.mean)

    def convert(self, features: np.ndarray) -> np.ndarray:
        """Map (pictures, all features) to x, (pictures, size) float64."""
        x: np.ndarray = (reduce_features(self.groups, features) - self.mean) * self.factor
        return x

    @property
    def published(self) -> "HeadInput":
        """The same map for the published features, without those that were fine-tuned."""
        return self.choose([group for group in self.groups if group.stage != FINE_TUNED])

    def append_plain(self, group: FeatureGroup) -> "HeadInput":
        """Return the map to the same values, followed by features that are used as they are."""
        mean, factor = np.zeros(group.size), np.ones(group.size)
        return HeadInput(
            (*self.groups, group), np.concatenate([self.mean, mean]), np.concatenate([self.factor, factor])
        )

    def choose(self, groups: Sequence[FeatureGroup]) -> "HeadInput":
        """Return the same map for some of the groups."""
        starts = np.cumsum([0, *(group.size for group in self.groups)])
        columns = np.concatenate(
            [starts[self.groups.index(group)] + np.arange(group.size) for group in groups], dtype=np.intp
        )
        return HeadInput(tuple(groups), self.mean[columns], self.factor[columns])


def fit_head_input(groups: Sequence[FeatureGroup], rows: Rows) -> HeadInput:
    """Measure the means and deviations of the training pictures' features.

    Args:
        groups: The layers to use.
        rows: All features of the training pictures.
    """
    size = sum(group.size for group in groups)
    sums, squares = np.zeros(size), np.zeros(size)
    # Sums of squares lose digits unless the values are near 0; the first rows give a rough mean.
    rough = reduce_features(groups, rows[0:64]).mean(axis=0)
    for part in split_rows(len(rows)):
        values = reduce_features(groups, rows[part]) - rough
        sums += values.sum(axis=0)
        squares += np.square(values).sum(axis=0)
    shift = sums / len(rows)
    variance = np.maximum(squares / len(rows) - np.square(shift), 0)
    start = 0
    for group in groups:
        own = variance[start : start + group.size]
        own[:] = np.maximum(own, max(_LEAST_DEVIATION**2 * float(own.mean()), 1e-12))
        start += group.size
    # The model stores float32.
    mean, factor = ((rough + shift).astype(np.float32), (1 / np.sqrt(variance)).astype(np.float32))
    return HeadInput(tuple(groups), mean.astype(np.float64), factor.astype(np.float64))


def reduce_features(groups: Sequence[FeatureGroup], features: np.ndarray) -> np.ndarray:
    """Return the columns of the groups as float64, with the square root of the pooled ones."""
    parts = []
    for group in groups:
        values = features[:, group.columns].astype(np.float64)
        parts.append(np.sqrt(np.maximum(values, 0)) if group.is_pooled else values)
    return np.concatenate(parts, axis=1)
