"""Choose how strictly a head rejects other subjects: by what that costs, and by what it lets through.

Both are measured on pictures that the fit has not seen: the cost on the user's pictures, by cross-validation; what gets
through on the rows of the background bank, each source of which is left out of the fit that scores it, because the
things before a camera are rarely those of the bank.

A level limits the cost, the share of genuine pictures that would have got their label right without the rejection.
Within it, the loosest limit is used that lets through almost nothing (_ENOUGH), or a stricter one that costs almost
nothing (_CHEAP), because the things before a camera are of more kinds than the bank. If none lets through so little, or
if there is no bank, the strictest limit within the cost is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from appliance.workshop.evaluation.threshold import (
    VALIDATION_PRECISION,
    ThresholdChoice,
    choose_validation_threshold,
)
from appliance.workshop.training.gate import accept, choose_limits, measure_softness

# The shares of the pictures that a limit accepts, from the loosest; None for no limit.
QUANTILES = (None, 0.999, 0.995, 0.99, 0.98, 0.975, 0.97, 0.96, 0.95, 0.93, 0.9, 0.85)
# Fewer than one picture in 200: a stricter limit would only cost.
_ENOUGH = 0.005
_CHEAP = 0.01
# New pictures differ more from those of the fit than the unseen ones do, so they lose more (measured on flowers: 2.1 %
# of the unseen pictures, and 2.2 to 2.6 % of the validation pictures).
_MEASURED_SHARE = 0.75
_STEP = 1e-3
# A level permits one lost picture of any number; of 50, that is so much.
_ONE_OF_FEW = 0.02


class RejectLevel(StrEnum):
    """How strictly other subjects are rejected: the value of `train --reject`."""

    NONE = "none"
    LOW = "low"
    STANDARD = "standard"
    HIGH = "high"

    @property
    def max_share(self) -> float:
        """The share of new genuine pictures that may be lost."""
        return {"none": 0.0, "low": 0.01, "standard": 0.03, "high": 0.1}[self.value]

    @property
    def max_cost(self) -> float:
        """The share of unseen genuine pictures that may be lost, so that new ones lose no more than max_share."""
        return _MEASURED_SHARE * self.max_share

    def permit(self, pictures: int) -> int:
        """Return how many of these unseen pictures may be lost; one of few proves nothing."""
        return max(1, int(self.max_cost * pictures))


@dataclass(frozen=True, slots=True)
class UnseenScores:
    """Probabilities for pictures that the fit has not seen.

    Attributes:
        probabilities: (pictures, labels) of the softmax, without the class of the bank.
        plain: (pictures, labels) of a softmax of the labels alone.
        is_other: (pictures,) bool: the class of the bank is the most probable.
        distances: (pictures,) from the subspace of the training pictures.
    """

    probabilities: np.ndarray
    plain: np.ndarray
    is_other: np.ndarray
    distances: np.ndarray

    def apply_gate(self, limits: np.ndarray | None, softness: float) -> np.ndarray:
        """Return the probabilities after a gate with these limits, (pictures, labels); None for no gate."""
        scores = self.probabilities
        if limits is not None:
            scores = scores * accept(self.distances, limits, softness)
        return scores


@dataclass(frozen=True, slots=True)
class RejectionCost:
    """What the rejection costs and prevents, for people and as JSON.

    Attributes:
        level: The level that the user chose.
        lost: The share of genuine pictures that are lost, which the level limits.
        recall_without: The share of genuine pictures that would get their label without the rejection.
        recall: The share that gets it with the rejection.
        others: The number of pictures of other things that were compared; 0 if there are none.
        passed_without: The share of these that would get a label without the rejection; None if that is not known.
        passed: The share that gets one with the rejection; an estimate if `passed_without` is not known.
        curve: For each limit that was compared: its quantile, the lost share, the recall, and the share that passes; if
            the base is fine-tuned, with the published features alone.
    """

    level: RejectLevel
    lost: float
    recall_without: float
    recall: float
    others: int
    passed_without: float | None
    passed: float | None
    curve: tuple[tuple[float | None, float, float, float | None], ...]

    @property
    def warning(self) -> str:
        """A sentence if more pictures are lost than the level aims at, as can be with a fine-tuned base; else ""."""
        if self.level == RejectLevel.NONE or self.lost <= max(self.level.max_share, _ONE_OF_FEW):
            return ""
        return (
            f"the rejection of other subjects loses {_percent(self.lost)} % of the pictures, more than the "
            f"{_percent(self.level.max_share)} % that --reject {self.level.value} aims at; compare another level"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the value of `rejection` in `train --json`."""
        return {
            "level": self.level.value,
            "lost": round(self.lost, 6),
            "recall_without": round(self.recall_without, 6),
            "recall": round(self.recall, 6),
            "others": self.others,
            "passed_without": _round(self.passed_without),
            "passed": _round(self.passed),
            "curve": [
                {"quantile": quantile, "lost": round(lost, 6), "recall": round(recall, 6), "passed": _round(passed)}
                for quantile, lost, recall, passed in self.curve
            ],
        }

    def describe(self) -> str:
        """Return what the rejection costs and prevents as a sentence."""
        if self.level == RejectLevel.NONE:
            return "other subjects are not rejected (--reject none): every picture may get a label"
        recall = f"without it recall would be {self.recall_without:.2f}; with it {self.recall:.2f}"
        if self.passed is None:
            return (
                f"rejection of other subjects: {recall}; what it lets through is not known without pictures of other "
                "things (bundled:general as the base brings some)"
            )
        if self.passed_without is None:
            return (
                f"rejection of other subjects: {recall}, and of other pictures about {_percent(self.passed)} % get a "
                f"label (estimated with the published features of {self.others} pictures of kinds that the fit had not "
                "seen)"
            )
        return (
            f"rejection of other subjects: {recall}, and of other pictures {_percent(self.passed)} % instead of "
            f"{_percent(self.passed_without)} % get a label (measured on {self.others} pictures of kinds that the fit "
            "had not seen)"
        )


@dataclass(frozen=True, slots=True)
class ChosenRejection:
    """The chosen rejection.

    Attributes:
        limits: (labels,) the limits of the gate; None for no gate.
        softness: Of the gate.
        scores: (pictures, labels) the final scores of the unseen pictures.
        choice: The threshold for these scores.
        cost: What the rejection costs and prevents.
    """

    limits: np.ndarray | None
    softness: float
    scores: np.ndarray
    choice: ThresholdChoice
    cost: RejectionCost


@dataclass(frozen=True, slots=True)
class GenuinePictures:
    """The pictures of the user that a rejection is measured on.

    Attributes:
        targets: (pictures,) the index of each picture's label.
        background: The index of the background label, which is never reported; None if there is none.
        groups: The recording of each picture.
        precision: The precision that the threshold aims at.
    """

    targets: np.ndarray
    background: int | None
    groups: Sequence[int]
    precision: float = VALIDATION_PRECISION

    @property
    def has_label(self) -> np.ndarray:
        """(pictures,) bool: whether the picture shows one of the labels."""
        return np.ones(len(self.targets), bool) if self.background is None else self.targets != self.background

    def measure_lost(self, plain: np.ndarray, is_lost: np.ndarray) -> float:
        """Return the share of the pictures with a label that are lost although the label would be right.

        Args:
            plain: (pictures, labels) their scores without a rejection.
            is_lost: (pictures,) bool, what a rejection takes.
        """
        is_right = plain.argmax(axis=1) == self.targets
        return float((is_right & is_lost)[self.has_label].mean())


def choose_rejection(
    own: UnseenScores, others: UnseenScores | None, pictures: GenuinePictures, level: RejectLevel
) -> ChosenRejection:
    """Choose the limits and the threshold.

    Args:
        own: The scores of the user's pictures.
        others: The scores of the rows of the bank; None if there are none.
        pictures: What is known about the user's pictures.
        level: How strictly to reject.
    """
    plain = choose_threshold(own.plain, pictures)
    plain_passed = measure_passed(others.plain, plain, pictures) if others else None
    if level == RejectLevel.NONE:
        cost = RejectionCost(level, 0.0, plain.recall, plain.recall, 0, plain_passed, plain_passed, ())
        return ChosenRejection(None, 1.0, own.plain, plain, cost)
    options = [_try_quantile(own, others, pictures, quantile) for quantile in QUANTILES]
    count = int(pictures.has_label.sum())
    allowed = [option for option in options if round(option.lost * count) <= level.permit(count)] or options[:1]
    is_enough = [option for option in allowed if option.passed is not None and option.passed <= _ENOUGH]
    is_cheap = [option for option in allowed if option.lost <= _CHEAP]
    best = min([is_enough[0], *is_cheap[-1:]], key=_get_share) if is_enough else allowed[-1]
    cost = RejectionCost(
        level,
        best.lost,
        plain.recall,
        best.choice.recall,
        0 if others is None else len(others.distances),
        plain_passed,
        best.passed,
        tuple((option.quantile, option.lost, option.choice.recall, option.passed) for option in options),
    )
    return ChosenRejection(best.limits, best.softness, best.scores, best.choice, cost)


def measure_excess(logits: np.ndarray, labels: int, targets: np.ndarray, level: RejectLevel) -> float:
    """Return by how much the logit of the bank's class must fall, so that it takes no more than a level permits.

    Args:
        logits: (pictures, classes) of unseen pictures, those of the labels first.
        labels: The number of labels; if there are no more classes, the result is 0.
        targets: (pictures,) the index of each picture's label.
        level: How strictly to reject.
    """
    if logits.shape[1] == labels:
        return 0.0
    own = logits[:, :labels]
    is_right = own.argmax(axis=1) == targets
    margins = np.sort((logits[:, labels] - own.max(axis=1))[is_right])[::-1]
    permitted = level.permit(len(targets))
    return max(0.0, round(float(margins[permitted]) + _STEP, 5)) if len(margins) > permitted else 0.0


@dataclass(frozen=True, slots=True)
class _Option:
    """The limits at one quantile, with their cost and what they let through."""

    quantile: float | None
    limits: np.ndarray | None
    softness: float
    scores: np.ndarray
    choice: ThresholdChoice
    lost: float
    passed: float | None


def _get_share(option: _Option) -> float:
    """Return the share of pictures that an option accepts."""
    return 1.0 if option.quantile is None else option.quantile


def _try_quantile(
    own: UnseenScores, others: UnseenScores | None, pictures: GenuinePictures, quantile: float | None
) -> _Option:
    has_label, targets = pictures.has_label, pictures.targets
    softness = measure_softness(own.distances[has_label])
    limits, scores, is_lost = None, own.probabilities, own.is_other
    if quantile is not None:
        labels = own.plain.shape[1]
        limits = choose_limits(own.distances[has_label], targets[has_label], labels, quantile)
        accepted = accept(own.distances, limits, softness)
        scores = scores * accepted
        is_lost = is_lost | (accepted[np.arange(len(targets)), targets] < 0.5)
    choice = choose_threshold(scores, pictures)
    lost = pictures.measure_lost(own.plain, is_lost)
    passed = None if others is None else measure_passed(others.apply_gate(limits, softness), choice, pictures)
    return _Option(quantile, limits, softness, scores, choice, lost, passed)


def choose_threshold(scores: np.ndarray, pictures: GenuinePictures) -> ThresholdChoice:
    """Choose the threshold for the scores of the user's pictures, (pictures, labels)."""
    return choose_validation_threshold(
        scores, pictures.targets, pictures.background, pictures.groups, pictures.precision
    )


def measure_passed(scores: np.ndarray, choice: ThresholdChoice, pictures: GenuinePictures) -> float:
    """Return the share of pictures of other things that get a label."""
    reported = [label for label in range(scores.shape[1]) if label != pictures.background]
    return float((scores[:, reported].max(axis=1) >= choice.threshold).mean())


def _percent(share: float) -> str:
    """Return a share in per cent, with one decimal below 10."""
    return f"{100 * share:.1f}" if share < 0.0995 else f"{100 * share:.0f}"


def _round(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 6)
