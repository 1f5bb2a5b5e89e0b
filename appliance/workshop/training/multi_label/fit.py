"""Fit a head for pictures with several labels, choose its thresholds, and measure it on the validation pictures."""

from collections.abc import Callable

import numpy as np

from appliance.workshop.datasets.recordings import list_recordings
from appliance.workshop.training.batched_regression import Rows
from appliance.workshop.training.feature_rows import FeatureRows
from appliance.workshop.training.fitted_head import FittedHead
from appliance.workshop.training.multi_label.head import LabeledRows, fit_independent_head
from appliance.workshop.training.multi_label.thresholds import choose_thresholds
from appliance.workshop.training.training_set import TrainingSet


def fit_multi_label(
    training_set: TrainingSet, kept: np.ndarray, rows: FeatureRows, seed: int, is_over: Callable[[], bool]
) -> FittedHead:
    """Fit a head whose labels are decided independently.

    Args:
        training_set: The pictures, with `membership`.
        kept: The indexes of the pictures that were read.
        rows: The inputs of the head for these pictures.
        seed: The seed of the folds.
        is_over: Returns whether fitting must end.
    """
    if training_set.membership is None:
        raise ValueError("the pictures have one label each")
    validates = training_set.is_validation[kept]
    membership = training_set.membership[kept]
    recordings = list_recordings([training_set.pictures[index] for index in kept])

    def select(chosen: np.ndarray, values: Rows) -> LabeledRows:
        return LabeledRows(values, membership[chosen], [recordings[index] for index in np.flatnonzero(chosen)])

    validation_rows = rows[validates]
    fitted = fit_independent_head(
        training_set.labels,
        select(~validates, rows.select(~validates)),
        select(validates, validation_rows),
        seed,
        is_over,
    )
    thresholds = choose_thresholds(training_set.labels, fitted.scores, fitted.membership, fitted.recordings)
    return FittedHead(fitted.head, fitted.head.score(validation_rows), fitted.merit, thresholds.common, thresholds)
