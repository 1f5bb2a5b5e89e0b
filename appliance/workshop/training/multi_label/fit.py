"""Fit a head for pictures with several labels, choose its thresholds, and measure it on the validation pictures."""

from collections.abc import Callable

import numpy as np

from appliance.workshop.training.background_bank import find_unlike
from appliance.workshop.training.feature_rows import FeatureRows
from appliance.workshop.training.fitted_head import FittedHead
from appliance.workshop.training.head_task import HeadTask
from appliance.workshop.training.multi_label.head import MAX_FOLDED_ROWS, LabeledRows, fit_independent_head
from appliance.workshop.training.multi_label.thresholds import choose_thresholds
from appliance.workshop.training.rows import Rows


def fit_multi_label(
    task: HeadTask,
    rows: FeatureRows,
    membership: np.ndarray,
    seed: int,
    is_over: Callable[[], bool],
    *,
    has_bank: bool = True,
) -> FittedHead:
    """Fit a head whose labels are decided independently.

    Args:
        task: The pictures; their targets are not used.
        rows: (pictures, size) the inputs of the head.
        membership: (pictures, labels) bool, the labels of the pictures.
        seed: The seed of the folds.
        is_over: Returns whether fitting must end.
        has_bank: Whether the rows of the background bank are learned as pictures without any of the labels.
    """
    validates = task.validates

    def select(chosen: np.ndarray, values: Rows) -> LabeledRows:
        return LabeledRows(values, membership[chosen], task.groups[chosen].tolist())

    validation_rows = rows[validates]
    fitted = fit_independent_head(
        task.labels,
        select(~validates, rows.select(~validates)),
        select(validates, validation_rows),
        seed,
        is_over,
        _choose_negatives(task, rows, seed) if has_bank else None,
    )
    thresholds = choose_thresholds(task.labels, fitted.scores, fitted.membership, fitted.recordings)
    return FittedHead(fitted.head, fitted.head.score(validation_rows), fitted.merit, thresholds.common, thresholds)


def _choose_negatives(task: HeadTask, rows: FeatureRows, seed: int) -> np.ndarray | None:
    """Return rows of the background bank that resemble none of the pictures, no more than there are pictures."""
    learned = np.flatnonzero(~task.validates)
    if task.bank is None or len(learned) > MAX_FOLDED_ROWS:
        return None
    unlike = np.flatnonzero(
        find_unlike(rows[learned], task.targets[learned], task.groups[learned], task.bank.x, task.bank.kinds)
    )
    count = min(len(unlike), len(learned))
    chosen: np.ndarray = task.bank.x[np.random.default_rng(seed).permutation(unlike)[:count]]
    return chosen
