"""Train a candidate on one base: extract the features, fit the head, and measure it on the validation pictures."""

import io
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import Bundle
from appliance.bundle.input_spec import InputSpec
from appliance.errors import BaseModelError, TrainingError
from appliance.imaging.files import read_picture
from appliance.labeling.interpreter import LoadedModel
from appliance.labeling.labeler import Labeler
from appliance.workshop.datasets.dataset import Example
from appliance.workshop.evaluation.threshold import ThresholdChoice
from appliance.workshop.training.background_bank import BackgroundBank, load_bank
from appliance.workshop.training.base import Base, LinearClassifier
from appliance.workshop.training.feature_cache import FeatureCache
from appliance.workshop.training.feature_rows import FeatureRows
from appliance.workshop.training.features import Features, extract_features
from appliance.workshop.training.finetune.figures import TuningFigures
from appliance.workshop.training.fitted_head import FittedHead
from appliance.workshop.training.head import HeadFit, fit_head
from appliance.workshop.training.head_input import HeadInput
from appliance.workshop.training.head_task import BankRows, HeadTask
from appliance.workshop.training.multi_label.fit import fit_multi_label
from appliance.workshop.training.multi_label.thresholds import IndependentThresholds
from appliance.workshop.training.origin import hash_dataset
from appliance.workshop.training.rejection import RejectionCost, RejectLevel
from appliance.workshop.training.stage_choice import choose_head_input
from appliance.workshop.training.tflite_head import write_model
from appliance.workshop.training.training_set import TrainingSet, require_enough
from appliance.workshop.training.tuned_head import TunedHeadFit, fit_tuned_head
from appliance.workshop.training.validation_figures import ValidationFigures, measure_validation

Progress = Callable[[str, int, int], None]

# The shares of the time for one base after which extraction and fitting end; the rest is enough for the other steps.
_EXTRACTION_SHARE, _FITTING_SHARE = 0.7, 0.95
_SAMPLES = 4
# The features are kept as float16, whose rounding changes a score near a limit of the gate of few features by .003.
_SAMPLE_TOLERANCE = 5e-3
_TIMED_RUNS, _WARM_RUNS = 7, 1


@dataclass(frozen=True, slots=True)
class TrainedCandidate:
    """The result of training on one base.

    Attributes:
        base: The path as given by the user, for display.
        accuracy: See FittedHead.
        layers: The layers of the base whose means the head uses, as FeatureGroup.layer.
        invoke_ms: The median inference time of the complete new model, with one thread.
        strength: The regularization that gave the best result.
        choice: The threshold and its figures.
        thresholds: The thresholds of the labels, if pictures have several labels; else None.
        model: The .tflite file.
        counts: The number of pictures by kind: train, validation, test, background, unlabeled, unreadable, and computed
            (not cached).
        warnings: Sentences for the user.
        samples: Some pictures with the scores that the model must give for them.
        input: How a picture becomes the base's input, which is the new model's.
        figures: Its figures on pictures that the head was not fitted to.
        dataset_sha256: The hash of the pictures and their labels.
        rejection: What the rejection of other subjects costs; None if pictures have several labels.
        published: The published model that the base was fine-tuned from; "" if `base` is a published model itself.
        tuning: What fine-tuning the base has reached; None if the base is a published model.
        tuned_accuracy: See FittedHead.
    """

    base: str
    accuracy: float
    layers: tuple[str, ...]
    invoke_ms: float
    strength: float
    choice: ThresholdChoice
    model: bytes
    counts: Mapping[str, int]
    warnings: tuple[str, ...]
    samples: Sequence[tuple[Example, np.ndarray]]
    input: InputSpec
    thresholds: IndependentThresholds | None = None
    figures: ValidationFigures | None = None
    dataset_sha256: str = ""
    rejection: RejectionCost | None = None
    published: str = ""
    tuning: TuningFigures | None = None
    tuned_accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingTimer:
    """The times at which extraction and fitting must end, on the monotonic clock; None for no limit."""

    extraction_end_s: float | None = None
    fitting_end_s: float | None = None

    @classmethod
    def start(cls, seconds: float | None) -> "TrainingTimer":
        """Create a timer for a candidate that may take this long, starting now."""
        if seconds is None:
            return cls()
        now_s = time.monotonic()
        return cls(now_s + _EXTRACTION_SHARE * seconds, now_s + _FITTING_SHARE * seconds)

    def is_fitting_over(self) -> bool:
        """Return whether fitting must end."""
        return self.fitting_end_s is not None and time.monotonic() >= self.fitting_end_s


@dataclass(frozen=True, slots=True)
class CandidateOptions:
    """The options that all candidates of one training share.

    Attributes:
        cache: The feature cache.
        seed: The seed of every random choice.
        name: The bundle's name, which is written into the model.
        progress: Called with the current step and its progress (done, total).
        reject: How strictly other subjects are rejected.
        find_bank: Returns the background bank of a base; None if it has none.
    """

    cache: FeatureCache
    seed: int
    name: str
    progress: Progress
    reject: RejectLevel = RejectLevel.STANDARD
    find_bank: Callable[[Base], BackgroundBank | None] = load_bank


def train_candidate(
    base: Base, training_set: TrainingSet, timer: TrainingTimer, options: CandidateOptions
) -> TrainedCandidate:
    """Train a head on one base.

    Args:
        base: Computes the features.
        training_set: The pictures for fitting and for validation.
        timer: Limits the duration of the steps.
        options: The options that all candidates share.

    Raises:
        TrainingError: Too few pictures could be read or processed in time.
        BaseModelError: The base outputs values that are not numbers.
        BundleError: The base does not run.
    """
    features = _extract(base, training_set, timer, options)
    bank = options.find_bank(base.published or base)
    head_input = _choose_input(base, training_set, features, bank)
    rows = features.rows.convert_with(head_input.convert)
    bank_rows = (
        None if bank is None else BankRows(head_input.published.convert(bank.features), bank.sources, bank.kinds)
    )
    task = _make_task(training_set, features.kept, rows, bank_rows)
    fitted = _fit(task, rows, base.classifier, training_set, features.kept, timer, options)
    validates = training_set.is_validation[features.kept]
    is_background = training_set.is_background[features.kept]
    model = write_model(base, head_input, fitted.head, options.name)
    samples = np.arange(len(features.kept))[:_SAMPLES]
    sample_scores = fitted.head.score(rows[samples])
    measured = np.flatnonzero(validates) if fitted.measured is None else fitted.measured
    return TrainedCandidate(
        base=base.display_name,
        accuracy=fitted.accuracy,
        layers=tuple(group.layer for group in head_input.groups),
        invoke_ms=_measure_invoke_ms(model, base.display_name),
        strength=fitted.head.strength,
        choice=fitted.choice,
        model=model,
        counts=_count_pictures(training_set, features, is_background, validates),
        warnings=_list_warnings(features, base, fitted),
        samples=[
            (training_set.pictures[features.kept[index]], scores)
            for index, scores in zip(samples, sample_scores, strict=True)
        ],
        published="" if base.published is None else base.published.display_name,
        input=base.input,
        thresholds=fitted.thresholds,
        figures=measure_validation(training_set, features.kept[measured], fitted),
        dataset_sha256=hash_dataset(training_set, features.kept, features.digests),
        rejection=fitted.rejection,
        tuned_accuracy=fitted.tuned_accuracy,
    )


def _choose_input(base: Base, training_set: TrainingSet, features: Features, bank: BackgroundBank | None) -> HeadInput:
    """Choose the published features; the fine-tuned ones, if there are any, follow them."""
    others = None if bank is None else bank.features
    published = base.published
    if published is None:
        return choose_head_input(base.groups, training_set, features.kept, features.rows, others)
    rows = features.rows.convert_with(lambda values: values[:, : published.size].astype(np.float64))
    chosen = choose_head_input(published.groups, training_set, features.kept, rows, others)
    return chosen.append_plain(base.groups[-1])


def _extract(base: Base, training_set: TrainingSet, timer: TrainingTimer, options: CandidateOptions) -> Features:
    """Return the features of all pictures that can be used."""
    short_name = Path(base.display_name).name
    step = f"extracting features with {short_name}"
    features = extract_features(
        base,
        training_set.pictures,
        options.cache,
        lambda done, total: options.progress(step, done, total),
        timer.extraction_end_s,
    )
    require_enough(training_set, features.kept, len(features.unreadable), features.left_out)
    if not features.rows.is_finite():
        raise BaseModelError(f"{base.display_name} cannot be used as a base: it outputs values that are not numbers")
    options.progress(f"fitting the head of {short_name}", 0, 0)
    return features


def _fit(
    task: HeadTask,
    rows: FeatureRows,
    classifier: LinearClassifier | None,
    training_set: TrainingSet,
    kept: np.ndarray,
    timer: TrainingTimer,
    options: CandidateOptions,
) -> FittedHead:
    """Fit a head for pictures with one label each, or for pictures with several."""
    if training_set.membership is None:
        return _fit_single_label(task, classifier, options, timer.is_fitting_over)
    has_bank = options.reject != RejectLevel.NONE
    membership = training_set.membership[kept]
    return fit_multi_label(task, rows, membership, options.seed, timer.is_fitting_over, has_bank=has_bank)


def _make_task(training_set: TrainingSet, kept: np.ndarray, rows: FeatureRows, bank: BankRows | None) -> HeadTask:
    return HeadTask(
        labels=training_set.labels,
        background=None if training_set.background is None else training_set.labels.index(training_set.background),
        rows=rows,
        targets=training_set.targets[kept],
        groups=training_set.groups[kept],
        validates=training_set.is_validation[kept],
        bank=bank,
    )


def _fit_single_label(
    task: HeadTask, classifier: LinearClassifier | None, options: CandidateOptions, is_over: Callable[[], bool]
) -> FittedHead:
    """Fit a head for pictures with one label each (see multi_label/fit.py for several).

    Its figures are those on the validation pictures, if there are any, else those of the cross-validation.
    """
    fit: HeadFit | TunedHeadFit
    tuned_accuracy = None
    if classifier is None:
        fit = fit_head(task, options.seed, options.reject, is_over)
    else:
        fit = fit_tuned_head(task, classifier, options.seed, options.reject, is_over)
        tuned_accuracy = fit.tuned_accuracy
    unseen, scores = fit.unseen, fit.rejection.scores
    is_measured = task.validates[unseen] if task.validates.any() else np.ones(len(unseen), bool)
    measured, scores = unseen[is_measured], scores[is_measured]
    targets = task.targets[measured]
    # A background label is never reported, so it is no answer.
    answers = scores.copy()
    answers[:, [] if task.background is None else [task.background]] = -1
    accuracy = float((answers.argmax(axis=1) == targets)[targets != task.background].mean())
    return FittedHead(
        fit.head,
        scores,
        accuracy,
        fit.rejection.choice,
        method="validation" if task.validates.any() else "cross-validation",
        measured=measured,
        rejection=fit.rejection.cost,
        tuned_accuracy=tuned_accuracy,
    )


def check_candidate(candidate: TrainedCandidate, bundle: Bundle) -> None:
    """Label the sample pictures with a written bundle, as a device would, and compare the scores.

    Raises:
        TrainingError: The scores differ from those of the fitted head.
        BundleError: The bundle cannot be loaded.
    """
    labeler = Labeler(bundle)
    for picture, expected in candidate.samples:
        scores = labeler.score(read_picture(io.BytesIO(picture.read_bytes()), picture.name))
        if not np.allclose(scores, expected, atol=_SAMPLE_TOLERANCE):
            raise TrainingError(
                f"{candidate.base} cannot be used as a base on this system: with its new head, its scores differ "
                f"from those in training (for {picture.name} by up to {np.abs(scores - expected).max():.3f})"
            )


def _measure_invoke_ms(model: bytes, display_name: str) -> float:
    loaded = LoadedModel(model, display_name, "auto", 1)
    loaded.write(np.zeros(loaded.inputs[0].shape, loaded.inputs[0].dtype))
    times_ms = []
    for _ in range(_WARM_RUNS + _TIMED_RUNS):
        started_s = time.perf_counter()
        loaded.invoke()
        times_ms.append((time.perf_counter() - started_s) * 1000)
    return statistics.median(times_ms[_WARM_RUNS:])


def _count_pictures(
    training_set: TrainingSet, features: Features, is_background: np.ndarray, validates: np.ndarray
) -> dict[str, int]:
    return {
        "train": int((~validates & ~is_background).sum()),
        "validation": int((validates & ~is_background).sum()),
        "test": training_set.test_pictures,
        "background": int(is_background.sum()),
        "unlabeled": training_set.unlabeled,
        "unreadable": len(features.unreadable),
        "computed": features.computed,
    }


def _list_warnings(features: Features, base: Base, fitted: FittedHead) -> tuple[str, ...]:
    warnings = [fitted.rejection.warning] if fitted.rejection is not None and fitted.rejection.warning else []
    if features.unreadable:
        reasons = "; ".join(reason for _, reason in features.unreadable[:3])
        warnings.append(f"{len(features.unreadable)} pictures could not be read and were left out: {reasons}")
    if features.left_out:
        warnings.append(f"{features.left_out} pictures were left out because the budget ran out ({base.display_name})")
    return tuple(warnings)
