"""Divide pictures into folds for cross-validation: each fold is scored by a fit to the other ones.

Pictures of one recording, and near duplicates, are in the same fold, because otherwise a fit would be measured on what
it has seen. Each label is spread over the folds as evenly as its groups permit.
"""

from collections import Counter

import numpy as np

# Without a fifth of few pictures, a fit is much worse than the final one, so that its scores promise too little
# (measured with 30 pictures a label: recall .59 at the chosen threshold with 5 folds, .69 with 10).
FOLDS = 10


def assign_folds(targets: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """Return the fold of each picture, (pictures,) from 0 to FOLDS − 1.

    Args:
        targets: (pictures,) the index of each picture's label.
        groups: (pictures,) int, the group of each picture.
        seed: The seed of the random order.
    """
    members: dict[int, list[int]] = {}
    for index in np.random.default_rng(seed).permutation(len(targets)).tolist():
        members.setdefault(int(groups[index]), []).append(index)
    # Without a group that has most pictures there would be nothing to fit to, so it is cut.
    parts = [
        part
        for indexes in members.values()
        for part in ([indexes[fold::FOLDS] for fold in range(FOLDS)] if 2 * len(indexes) > len(targets) else [indexes])
        if part
    ]
    folds = np.zeros(len(targets), np.intp)
    of_label: Counter[tuple[int, int]] = Counter()
    totals = [0] * FOLDS
    # Large groups first, because small ones can still even out what they leave.
    for indexes in sorted(parts, key=len, reverse=True):
        labels = [int(targets[index]) for index in indexes]

        def fill(fold: int, labels: list[int] = labels) -> tuple[int, int]:
            return sum(of_label[label, fold] for label in labels), totals[fold]

        fold = min(range(FOLDS), key=fill)
        folds[indexes] = fold
        of_label.update((label, fold) for label in labels)
        totals[fold] += len(indexes)
    return folds
