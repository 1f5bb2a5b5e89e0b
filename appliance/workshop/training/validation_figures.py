"""Measure a new model on the pictures that its head was not fitted to, and list its worst mistakes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from appliance.workshop.datasets.recordings import list_recordings, list_sole_recordings
from appliance.workshop.evaluation.metrics import Predictions
from appliance.workshop.evaluation.mistakes import find_wrong_labels
from appliance.workshop.evaluation.quality import (
    ModelQuality,
    build_predictions,
    measure_quality,
    warn_of_imbalance,
    warn_of_sole_recordings,
    warn_of_weak_labels,
)
from appliance.workshop.training.fitted_head import FittedHead
from appliance.workshop.training.training_set import TrainingSet

MAX_WRONG, MAX_MISSED = 20, 10


@dataclass(frozen=True, slots=True)
class ValidationMistake:
    """A picture that the model labels wrongly at its threshold.

    Attributes:
        picture: Its name.
        label: Its label, or the first of several; None if it shows none of the labels.
        guess: The wrong label that is reported; None if none is.
        score: The score of the guess, or of the label if none is reported.
    """

    picture: str
    label: str | None
    guess: str | None
    score: float


@dataclass(frozen=True, slots=True)
class ValidationFigures:
    """What a new model does on these pictures.

    Attributes:
        quality: Its figures, with their intervals.
        mistakes: The wrong labels, the most certain first; then the pictures without a label, the least certain first.
        method: How the pictures were kept from the fit: validation, or cross-validation.
        pictures: Their number, with those of the background.
    """

    quality: ModelQuality
    mistakes: tuple[ValidationMistake, ...]
    method: str
    pictures: int


def measure_validation(training_set: TrainingSet, indexes: np.ndarray, fitted: FittedHead) -> ValidationFigures:
    """Measure a fitted head.

    Args:
        training_set: The pictures.
        indexes: (n,) which of its pictures `fitted.scores` belong to.
        fitted: The head with its scores and its thresholds.
    """
    predictions = _build_predictions(training_set, indexes, fitted.scores)
    threshold = fitted.choice.threshold
    own = {} if fitted.thresholds is None else fitted.thresholds.own
    thresholds = np.array([own.get(label, threshold) for label in predictions.labels], np.float32)
    names = [training_set.pictures[index].name for index in indexes]
    quality = measure_quality(predictions, threshold, thresholds, list_recordings_of(training_set, indexes))
    mistakes = (*_list_wrong(predictions, thresholds, names), *_list_missed(predictions, thresholds, names))
    return ValidationFigures(quality, mistakes, fitted.method, len(indexes))


def list_recordings_of(training_set: TrainingSet, indexes: np.ndarray) -> list[str]:
    """Return the recording of some pictures of a training set; pictures of one recording count as one sample."""
    return list_recordings([training_set.pictures[index] for index in indexes])


def list_quality_warnings(training_set: TrainingSet, figures: ValidationFigures) -> list[str]:
    """Return what is wrong with the pictures and the model, and what to do about it."""
    counts = training_set.count_labels(np.arange(len(training_set.pictures)))
    pictures = {
        label: counts[index] for index, label in enumerate(training_set.labels) if label != training_set.background
    }
    recordings = list_recordings_of(training_set, np.arange(len(training_set.pictures)))
    sole = warn_of_sole_recordings(list_sole_recordings(training_set.pictures, recordings))
    return [*warn_of_imbalance(pictures), *sole, *warn_of_weak_labels(figures.quality)]


def _build_predictions(training_set: TrainingSet, indexes: np.ndarray, scores: np.ndarray) -> Predictions:
    background = None if training_set.background is None else training_set.labels.index(training_set.background)
    if training_set.membership is None:
        return build_predictions(training_set.labels, scores, training_set.targets[indexes], background)
    several = training_set.membership[indexes]
    predictions = build_predictions(training_set.labels, scores, training_set.targets[indexes], None)
    return Predictions(
        predictions.labels,
        predictions.scores,
        training_set.targets[indexes],
        predictions.best_labels,
        predictions.best_scores,
        several,
    )


def _list_wrong(predictions: Predictions, thresholds: np.ndarray, names: Sequence[str]) -> Iterator[ValidationMistake]:
    for index, label in find_wrong_labels(predictions, thresholds)[:MAX_WRONG]:
        shown = int(predictions.targets[index])
        yield ValidationMistake(
            names[index],
            predictions.labels[shown] if shown >= 0 else None,
            predictions.labels[label],
            round(float(predictions.scores[index, label]), 6),
        )


def _list_missed(predictions: Predictions, thresholds: np.ndarray, names: Sequence[str]) -> Iterator[ValidationMistake]:
    """Yield pictures with content that get no label at all."""
    is_silent = ~(predictions.scores >= thresholds).any(axis=1) & predictions.has_content
    rows = np.flatnonzero(is_silent)
    own = predictions.scores[rows, predictions.targets[rows]]
    for rank in np.argsort(own, kind="stable")[:MAX_MISSED].tolist():
        index = int(rows[rank])
        label = predictions.labels[int(predictions.targets[index])]
        yield ValidationMistake(names[index], label, None, round(float(own[rank]), 6))
