"""Project features onto their principal directions."""

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
    """Fit a projection onto the first principal directions, scaled so that the results vary by 1 on average.

    Args:
        values: (…, features).
        count: The number of directions.
    """
    flat = values.reshape(-1, values.shape[-1]).astype(np.float32)
    mean = flat.mean(axis=0)
    variance, axes = np.linalg.eigh(np.cov(flat - mean, rowvar=False))
    # Not whitened completely: the first directions matter more, but by less than their variance suggests.
    axes = axes[:, : -count - 1 : -1] / np.sqrt(np.sqrt(variance[: -count - 1 : -1]))
    return Projection(mean, (axes / ((flat - mean) @ axes).std()).astype(np.float32))
