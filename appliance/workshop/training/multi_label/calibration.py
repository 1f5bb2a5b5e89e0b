"""Calibrate the scores of independent labels: a score of 0.8 is right in 80 % of cases, for each label.

Each label's logit z becomes a · z + b (Platt, "Probabilistic outputs for support vector machines", 1999), fitted to
pictures that the weights were not fitted to, with Platt's smoothed targets (N₊ + 1) / (N₊ + 2) and 1 / (N₋ + 2), so
that a label that is separated perfectly does not get an infinite slope. A label with few pictures is drawn to what all
labels together need. Both numbers are part of the weights and the intercept of the written model.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

# The weight of the common values for each label, as a number of pictures at a score of about 0.5.
_PRIOR = 4.0
_MAX_SLOPE_LOG = 5.0


@dataclass(frozen=True, slots=True)
class LogitCalibration:
    """The slope a and the shift b of each label, both (labels,)."""

    slopes: np.ndarray
    shifts: np.ndarray

    def score(self, logits: np.ndarray) -> np.ndarray:
        """Map (pictures, labels) logits to calibrated scores from 0 to 1."""
        scores: np.ndarray = expit(logits * self.slopes + self.shifts)
        return scores


def fit_calibration(logits: np.ndarray, is_own: np.ndarray) -> LogitCalibration:
    """Fit the calibration of each label.

    Args:
        logits: (pictures, labels), for pictures that the weights were not fitted to.
        is_own: (pictures, labels) bool, the labels of the pictures.
    """
    common = _fit(logits.ravel(), is_own.ravel(), np.zeros(2), 0.0)
    fitted = [_fit(logits[:, label], is_own[:, label], common, _PRIOR) for label in range(logits.shape[1])]
    parameters = np.array(fitted).reshape(-1, 2)
    return LogitCalibration(np.exp(parameters[:, 0]), parameters[:, 1])


def _fit(logits: np.ndarray, is_own: np.ndarray, center: np.ndarray, prior: float) -> np.ndarray:
    """Return (log a, b) of one label; without pictures of both kinds, those of `center`."""
    own = int(is_own.sum())
    if not 0 < own < len(is_own):
        return center
    targets = np.where(is_own, (own + 1) / (own + 2), 1 / (len(is_own) - own + 2))

    def measure(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope = np.exp(parameters[0])
        scaled = slope * logits + parameters[1]
        errors = expit(scaled) - targets
        away = parameters - center
        loss = float((np.logaddexp(0, scaled) - targets * scaled).sum()) + prior * float(away @ away) / 2
        return loss, np.array([float(errors @ logits) * slope, float(errors.sum())]) + prior * away

    bounds = [(-_MAX_SLOPE_LOG, _MAX_SLOPE_LOG), (None, None)]
    found = minimize(measure, center.copy(), jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x)
