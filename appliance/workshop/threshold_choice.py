"""The confidence threshold that a new bundle carries, chosen on the validation pictures.

The rule: the lowest threshold from 0.30 to 0.95, in steps of 0.01, at which at least 95 % of the labels given are
right; where none reaches that, the one with the best F1 (the harmonic mean of precision and recall). With fewer than
30 validation pictures nothing can be said, and it is 0.5. Precision and recall are AutoML's: precision is the share of
right ones among the labels given, recall the share of pictures with a label that were given it. A label given to a
background picture is a wrong one.
"""

from dataclasses import dataclass

import numpy as np

TARGET_PRECISION = 0.95
LEAST_PICTURES = 30
DEFAULT = 0.5


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold and what it gives on the validation pictures; precision is None where no label is given."""

    threshold: float
    precision: float | None
    recall: float


def choose_threshold(scores: np.ndarray, targets: np.ndarray, background: int | None) -> Choice:
    """Chooses a threshold.

    Args:
        scores: (pictures, labels).
        targets: (pictures,) numbers of labels.
        background: The number of the background's label, which is never given; None: there is none.
    """
    shown = scores.copy()
    if background is not None:
        shown[:, background] = 0
    content = targets != background if background is not None else np.ones(len(targets), bool)
    right = np.where(content, shown[np.arange(len(targets)), targets], -1.0)
    choices = [at_threshold(step / 100, shown, right, int(content.sum())) for step in range(30, 96)]
    if content.sum() < LEAST_PICTURES:
        return at_threshold(DEFAULT, shown, right, int(content.sum()))
    precise = [choice for choice in choices if choice.precision is not None and choice.precision >= TARGET_PRECISION]
    return precise[0] if precise else max(choices, key=_f1)


def at_threshold(threshold: float, shown: np.ndarray, right: np.ndarray, content: int) -> Choice:
    """Precision and recall at one threshold; `right` has the score of each picture's own label."""
    given, hits = int((shown >= threshold).sum()), int((right >= threshold).sum())
    return Choice(threshold, hits / given if given else None, hits / content if content else 0.0)


def _f1(choice: Choice) -> float:
    total = (choice.precision or 0) + choice.recall
    return 2 * (choice.precision or 0) * choice.recall / total if total else 0.0
