"""Project features onto their principal components."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Projection:
    """A linear projection.

    Attributes:
        mean: (features,) float32.
        axes: (features, count) float32.
    """

    mean: np.ndarray
    axes: np.ndarray

    def project(self, values: np.ndarray) -> np.ndarray:
        """Project (…, features) to (…, count)."""
        projected: np.ndarray = (values - self.mean) @ self.axes
        return projected


def fit_projection(values: np.ndarray, count: int) -> Projection:
    """Fit a projection onto the first principal components, scaled so that the average variance of the results is 1.

    Args:
        values: (…, features).
        count: The number of components.
    """
    flat = values.reshape(-1, values.shape[-1]).astype(np.float32)
    mean = flat.mean(axis=0)
    variance, axes = np.linalg.eigh(np.cov(flat - mean, rowvar=False))
    # Do not whiten completely: the first components matter more than the others, but less than their variance suggests.
    axes = axes[:, : -count - 1 : -1] / np.sqrt(np.sqrt(variance[: -count - 1 : -1]))
    return Projection(mean, (axes / ((flat - mean) @ axes).std()).astype(np.float32))
