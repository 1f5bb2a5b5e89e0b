"""A fitted head with its figures, whatever its kind."""

from dataclasses import dataclass

import numpy as np

from appliance.workshop.evaluation.threshold import ThresholdChoice
from appliance.workshop.training.head import ClassifierHead
from appliance.workshop.training.multi_label.head import IndependentHead
from appliance.workshop.training.multi_label.thresholds import IndependentThresholds
from appliance.workshop.training.rejection import RejectionCost
from appliance.workshop.training.tuned_head import TunedHead


@dataclass(frozen=True, slots=True)
class FittedHead:
    """A head that is ready to be written.

    Attributes:
        head: The head.
        scores: (pictures, labels), its scores of the validation pictures.
        accuracy: The share of the validation pictures, without background, whose best label is right (top-1); if
            pictures have several labels, the mean over the labels of the average precision.
        choice: The common threshold and its figures.
        thresholds: The thresholds of the labels, if pictures have several labels; else None.
        method: How the pictures of `scores` were kept from the fit: validation, or cross-validation.
        measured: The rows that `scores` belong to; None for the validation pictures.
        rejection: What the rejection of other subjects costs; None if pictures have several labels.
        tuned_accuracy: The accuracy of the fine-tuned features with their own classifier; None if there are none.
    """

    head: ClassifierHead | IndependentHead | TunedHead
    scores: np.ndarray
    accuracy: float
    choice: ThresholdChoice
    thresholds: IndependentThresholds | None = None
    method: str = "validation"
    measured: np.ndarray | None = None
    rejection: RejectionCost | None = None
    tuned_accuracy: float | None = None
