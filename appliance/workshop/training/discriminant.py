"""Linear discriminant analysis with a shrunk covariance, solved at once from sums over the pictures.

Every class is taken as a normal distribution around its mean μ, with the covariance Σ of all classes together, so the
logarithms of the probabilities of the classes are linear in x, up to a common term: xᵀΣ⁻¹μ − μᵀΣ⁻¹μ / 2 + log(share of
the class). With few pictures, Σ is uncertain, so a multiple of the identity is added (J. H. Friedman, "Regularized
discriminant analysis", Journal of the American Statistical Association 84, 1989).

The sums add up: a fit without a fold subtracts the sums of the fold, so cross-validation reads the pictures once.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from appliance.workshop.training.feature_rows import split_rows
from appliance.workshop.training.rows import Rows

# A class without pictures is as improbable as half a picture.
_LEAST_COUNT = 0.5


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over pictures, from which the means and the covariance follow.

    Attributes:
        counts: (classes,) the number of pictures.
        sums: (classes, axes) the sums of x.
        products: (axes, axes) the sum of x xᵀ.
    """

    counts: np.ndarray
    sums: np.ndarray
    products: np.ndarray

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.counts + other.counts, self.sums + other.sums, self.products + other.products)

    def __sub__(self, other: "Moments") -> "Moments":
        return Moments(self.counts - other.counts, self.sums - other.sums, self.products - other.products)

    def weigh(self, weight: float) -> "Moments":
        """Return the sums for pictures that count less than one."""
        return Moments(self.counts * weight, self.sums * weight, self.products * weight)


def measure_moments(rows: Rows, targets: np.ndarray, classes: int) -> Moments:
    """Sum up pictures.

    Args:
        rows: (pictures, axes).
        targets: (pictures,) the index of each picture's class.
        classes: The number of classes.
    """
    size = rows[0:0].shape[1]
    counts, sums, products = np.zeros(classes), np.zeros((classes, size)), np.zeros((size, size))
    for part in split_rows(len(rows)):
        x = rows[part].astype(np.float64)
        is_class = (targets[part][:, np.newaxis] == np.arange(classes)).astype(np.float64)
        counts += is_class.sum(axis=0)
        sums += is_class.T @ x
        products += x.T @ x
    return Moments(counts, sums, products)


def fit_discriminant(moments: Moments, shrinkage: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights (classes, axes) and the intercepts (classes,) of the logits.

    Args:
        moments: Of the training pictures.
        shrinkage: What is added to the square of each axis, in mean squared distances of a picture from its class; so
            it matters less the more pictures there are.
    """
    total = moments.counts.sum()
    counts = np.maximum(moments.counts, _LEAST_COUNT)
    is_known = moments.counts > 1e-9
    means = np.where(is_known[:, np.newaxis], moments.sums / counts[:, np.newaxis], moments.sums.sum(axis=0) / total)
    within = moments.products - (means * moments.counts[:, np.newaxis]).T @ means
    # If all pictures of a class are equal, what remains of Σ is the rounding of large sums.
    least = 1e-9 * (1 + float(np.trace(moments.products)))
    within[np.diag_indices(len(within))] += max(shrinkage * float(np.trace(within)) / total, least)
    weights = total * cho_solve(cho_factor(within, lower=True, overwrite_a=True), means.T).T
    intercepts = np.log(counts / total) - (weights * means).sum(axis=1) / 2
    return weights, intercepts
