"""How far what a teacher sees in a picture lies from all that it saw in the training flowers.

x = sqrt(max(pooled features, 0)); m and U are the mean and the first principal components of the training flowers' x;
d = |x − m|² − |Uᵀ(x − m)|² is what of x lies outside of their space. In a teacher's features d tells what is no flower,
also of things that nobody showed it. In those of the small network it does not (see the model card): there it would
close on flowers it has not seen as soon as on a burger. So d goes into what the network is taught, not into the network.
"""

import numpy as np

Array = np.ndarray
COMPONENTS, QUANTILE = 64, 0.95


def distance(values: Array, mean: Array, axes: Array) -> Array:
    """d of each row."""
    moved = values - mean
    return (moved**2).sum(axis=1) - ((moved @ axes) ** 2).sum(axis=1)


def space(values: Array) -> tuple[Array, Array]:
    """Mean (features,) and the first COMPONENTS principal axes (features, COMPONENTS) of the rows."""
    mean = values.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(values - mean, rowvar=False))
    axes = axes[:, : -COMPONENTS - 1 : -1]
    # Of each axis both signs are right; one is chosen, so that the bytes come out the same.
    return mean, axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(COMPONENTS)])
