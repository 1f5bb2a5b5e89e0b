"""How far a picture is from all that the network was trained on, as a factor for its scores.

x = sqrt(pooled features); m and U are the mean and the first principal components of the training flowers' x;
d = |x − m|² − |Uᵀ(x − m)|² is what of x lies outside of their space; gate = sigmoid((q − d) / s). A background class
alone knows only the backgrounds that it was shown; this distance generalises to things never seen.
"""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
COMPONENTS, QUANTILE, FOLDS = 64, 0.95, 5


@dataclass(frozen=True, slots=True)
class Gate:
    """mean (features,) and axes (features, COMPONENTS) of x; cut and width of d, called q and s above."""

    mean: Array
    axes: Array
    cut: float
    width: float


def fit_gate(features: Array, photo: Array) -> Gate:
    """Fits the space on all, and where it ends by cross-fitting.

    Args:
        features: (n, features) pooled features, as the exported network gives them.
        photo: (n,) which photograph each was made of; those of one stay in one fold.
    """
    values = np.sqrt(np.maximum(features, 0).astype(np.float64))
    far = np.empty(len(values))
    for fold in range(FOLDS):
        held = photo % FOLDS == fold
        far[held] = distance(values[held], *_space(values[~held]))
    mean, axes = _space(values)
    return Gate(mean, axes, float(np.quantile(far, QUANTILE)), float(far.std() / 2))


def distance(values: Array, mean: Array, axes: Array) -> Array:
    """d of each row."""
    moved = values - mean
    return (moved**2).sum(axis=1) - ((moved @ axes) ** 2).sum(axis=1)


def _space(values: Array) -> tuple[Array, Array]:
    mean = values.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(values - mean, rowvar=False))
    axes = axes[:, : -COMPONENTS - 1 : -1]
    # Of each axis both signs are right; one is chosen, so that the bytes come out the same.
    return mean, axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(COMPONENTS)])
