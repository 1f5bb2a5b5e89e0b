"""Project the input of a head onto its principal axes, so that many fits (cross-validation) cost little.

A few hundred axes contain nearly all that separates labels. A picture is then described by its coordinates, and by the
square of what they leave out, which distances need. The axes are found by random projections with power steps (Halko,
Martinsson and Tropp, "Finding structure with randomness", SIAM Review 53, 2011), much faster than exact ones.
"""

from dataclasses import dataclass

import numpy as np

from appliance.workshop.training.feature_rows import split_rows
from appliance.workshop.training.rows import Rows

MAX_AXES = 768
# More pictures would change the axes little, and take memory.
SAMPLE_ROWS = 3000
_EXTRA, _POWER_STEPS = 32, 1


@dataclass(frozen=True, slots=True)
class Projected:
    """Pictures in the coordinates of a projection.

    Attributes:
        coordinates: (pictures, axes) float32.
        rests: (pictures,) the square of the distance from the space of the axes.
    """

    coordinates: np.ndarray
    rests: np.ndarray

    def __len__(self) -> int:
        return len(self.rests)

    def select(self, chosen: np.ndarray) -> "Projected":
        """Return some of the pictures, by a mask or by indexes."""
        return Projected(self.coordinates[chosen], self.rests[chosen])


@dataclass(frozen=True, slots=True)
class PrincipalAxes:
    """Orthonormal axes through the mean of the training pictures.

    Attributes:
        mean: (size,).
        axes: (size, axes).
    """

    mean: np.ndarray
    axes: np.ndarray

    def project(self, rows: Rows) -> Projected:
        """Return the coordinates of rows (pictures, size)."""
        coordinates = np.empty((len(rows), self.axes.shape[1]), np.float32)
        rests = np.empty(len(rows))
        axes = self.axes.astype(np.float32)
        for part in split_rows(len(rows)):
            centered = (rows[part] - self.mean).astype(np.float32)
            coordinates[part] = centered @ axes
            whole = np.square(centered, dtype=np.float64).sum(axis=1)
            rests[part] = np.maximum(whole - np.square(coordinates[part], dtype=np.float64).sum(axis=1), 0)
        return Projected(coordinates, rests)


def fit_projection(sample: np.ndarray, seed: int, max_axes: int = MAX_AXES) -> PrincipalAxes:
    """Find the principal axes.

    Args:
        sample: (pictures, size), at least two pictures.
        seed: The seed of the random projections.
        max_axes: The number of axes, unless the pictures have fewer.
    """
    mean = sample.mean(axis=0, dtype=np.float64)
    centered = (sample - mean).astype(np.float32)
    count = min(max_axes, len(sample) - 1, sample.shape[1])
    random = np.random.default_rng(seed)
    width = min(count + _EXTRA, *sample.shape)
    axes = random.standard_normal((sample.shape[1], width)).astype(np.float32)
    for _ in range(_POWER_STEPS + 1):
        axes = np.linalg.qr(centered.T @ (centered @ axes))[0]
    seen = centered @ axes
    _, vectors = np.linalg.eigh((seen.T @ seen).astype(np.float64))
    chosen = axes.astype(np.float64) @ vectors[:, ::-1][:, :count]
    # The sign of an axis is arbitrary.
    return PrincipalAxes(mean, chosen * np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(count)]))
