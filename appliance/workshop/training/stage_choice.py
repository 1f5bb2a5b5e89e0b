"""Choose which layers of a base a head uses, by accuracy on the validation pictures and by cost.

Compared are the pooled features alone and with the last one, two, or three stages before them, in quarters or whole. A
full fit of each would take longer than everything else, so a ridge regression on the labels stands for it, which is
solved at once: the products between pictures of several layers add up, so each layer is multiplied only once. Of the
fits of one option, the better of two penalties counts. With few validation pictures, the comparison would be chance;
then the layers that were the best on average are used.
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from appliance.workshop.training.feature_rows import FeatureRows
from appliance.workshop.training.folds import FOLDS, assign_folds
from appliance.workshop.training.head_input import HeadInput, fit_head_input
from appliance.workshop.training.rows import JoinedRows, Rows
from appliance.workshop.training.stages import FeatureGroup
from appliance.workshop.training.training_set import TrainingSet

# With fewer validation pictures, the default is used.
MIN_VALIDATION = 100
# One in so many pictures, if the dataset has no validation pictures.
_HELD_OUT_PART = 5
_DEFAULT_DEPTH, _DEFAULT_GRID = 2, 2
# The share of the validation pictures that 1,000 more features must improve.
_WORTH_OF_1000 = 0.002
# The share that stages must improve by means over the whole picture instead of its quarters: the gate then rejects less
# (with flowers, 4 of 18 other pictures got a label instead of 1). Less than this is within the error of the comparison.
_WORTH_OF_WHOLE = 0.01
_MAX_ROWS = 1500
# Relative to the number of features, which is the mean square length of x.
_PENALTIES = (0.1, 0.3)


def list_options(groups: Sequence[FeatureGroup]) -> list[tuple[FeatureGroup, ...]]:
    """Return the choices of groups that are compared: the pooled features, and each number of stages in each grid."""
    pooled = tuple(group for group in groups if group.is_pooled)
    options = [pooled]
    for grid in sorted({group.grid for group in groups if not group.is_pooled}, reverse=True):
        stages = [group for group in groups if not group.is_pooled and group.grid == grid]
        options += [(*pooled, *stages[:depth]) for depth in range(1, len(stages) + 1)]
    return options


def choose_default(groups: Sequence[FeatureGroup]) -> tuple[FeatureGroup, ...]:
    """Return the groups that were the best on average: the pooled features and the last two stages, in quarters."""
    return tuple(
        group for group in groups if group.is_pooled or (group.grid == _DEFAULT_GRID and group.stage <= _DEFAULT_DEPTH)
    )


def choose_head_input(
    groups: Sequence[FeatureGroup],
    training_set: TrainingSet,
    kept: np.ndarray,
    rows: FeatureRows,
    others: np.ndarray | None = None,
) -> HeadInput:
    """Choose the groups of features for a head, and standardize them.

    Without validation pictures, a fifth of the pictures stands for them.

    Args:
        groups: All groups of a base.
        training_set: The pictures with their labels.
        kept: The indexes of the pictures that were read.
        rows: All features of these pictures.
        others: (rows, features) of the background bank, which make the deviations of few pictures more certain; None
            for none.
    """
    validates = training_set.is_validation[kept]
    if not validates.any():
        validates = assign_folds(training_set.targets[kept], training_set.groups[kept], 0) < FOLDS // _HELD_OUT_PART
    judged = validates & ~training_set.is_background[kept]
    train = rows.select(~validates)
    whole = fit_head_input(groups, train if others is None else JoinedRows(train, others))
    if int(judged.sum()) < MIN_VALIDATION:
        return whole.choose(choose_default(groups))
    membership = training_set.membership
    if membership is None:
        membership = training_set.targets[:, np.newaxis] == np.arange(len(training_set.labels))
    chosen = choose_groups(
        whole, (train, membership[kept][~validates]), (rows.select(judged), membership[kept][judged])
    )
    return whole.choose(chosen)


def choose_groups(
    whole: HeadInput, train: tuple[Rows, np.ndarray], validation: tuple[Rows, np.ndarray]
) -> tuple[FeatureGroup, ...]:
    """Choose the groups with which the best label of most validation pictures is right.

    Args:
        whole: The input with all groups of the base.
        train: All features of the training pictures, and (pictures, labels) bool: the labels of each.
        validation: The same of the validation pictures, without background.
    """
    sample = slice(0, _MAX_ROWS)
    rows, judged = train[0][sample], validation[0][sample]
    signs, right = np.where(train[1][sample], 1.0, -1.0), validation[1][sample]

    def rate(option: Sequence[FeatureGroup]) -> float:
        best = [_predict(products, option, signs, penalty).argmax(axis=1) for penalty in _PENALTIES]
        accuracy = max(float(right[np.arange(len(right)), labels].mean()) for labels in best)
        is_whole = any(group.grid == 1 and not group.is_pooled for group in option)
        cost = _WORTH_OF_1000 * sum(group.size for group in option) / 1000 + _WORTH_OF_WHOLE * is_whole
        return round(accuracy - cost, 9)

    with threadpool_limits(1):
        products = {group: _multiply(whole.choose([group]), rows, judged) for group in whole.groups}
        return max(list_options(whole.groups), key=rate)


def _multiply(one: HeadInput, rows: np.ndarray, judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the products between training pictures, and between validation and training pictures."""
    x = one.convert(rows).astype(np.float32)
    return x @ x.T, one.convert(judged).astype(np.float32) @ x.T


def _predict(
    products: dict[FeatureGroup, tuple[np.ndarray, np.ndarray]],
    option: Sequence[FeatureGroup],
    signs: np.ndarray,
    penalty: float,
) -> np.ndarray:
    """Return what a ridge regression gives for the validation pictures, (pictures, labels)."""
    inner = np.zeros((len(signs), len(signs)))
    for group in option:
        inner += products[group][0]
    inner[np.diag_indices(len(inner))] += penalty * sum(group.size for group in option)
    offset = signs.mean(axis=0)
    solved = cho_solve(cho_factor(inner, lower=True, overwrite_a=True), signs - offset)
    predicted: np.ndarray = offset + sum(products[group][1] @ solved for group in option)
    return predicted
