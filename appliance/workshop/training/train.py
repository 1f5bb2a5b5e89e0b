"""Train a bundle on a dataset in seconds, based on published models.

Only the head of each base is new: the base's features for every picture are computed (or read from the cache), the head
is fitted to them, and both are written into one .tflite (see tflite_head.py). Of several bases, the one that is best on
the validation pictures is used. The test pictures are never read.

The same pictures, bases, and seed give the same bytes on the same machine and runtime, unless a budget ended the work
early. Therefore the manifest contains `created` only if SOURCE_DATE_EPOCH is set.
"""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from appliance.bundle.bundle import Bundle, read_bundle, write_bundle
from appliance.bundle.identity import ModelIdentity
from appliance.bundle.input_spec import DeclaredInput
from appliance.bundle.provenance import Provenance
from appliance.errors import TrainingError
from appliance.system.timestamps import to_rfc3339
from appliance.workshop.datasets.dataset import RECOMMENDED_PICTURES
from appliance.workshop.datasets.roles import describe_left_out
from appliance.workshop.training.base import Base, open_base
from appliance.workshop.training.bundle_output import create_bundle
from appliance.workshop.training.candidate import (
    CandidateOptions,
    Progress,
    TrainedCandidate,
    TrainingTimer,
    check_candidate,
    train_candidate,
)
from appliance.workshop.training.feature_cache import FeatureCache, default_cache_file
from appliance.workshop.training.fine_tuned import (
    DEFAULT_BUDGET_S,
    FineTuneOptions,
    hold_out_validation,
    require_fit_for_tuning,
    require_torch,
    suggest_fine_tuning,
    train_fine_tuned,
)
from appliance.workshop.training.origin import describe_origin, list_parents
from appliance.workshop.training.rejection import RejectLevel
from appliance.workshop.training.training_set import TrainingSet, build_training_set
from appliance.workshop.training.validation_figures import list_quality_warnings

# When optimizing for latency, a faster base may be less accurate than the best one by this much.
LATENCY_TOLERANCE = 0.02
# With fewer pictures and no background bank, the gate accepts up to a fourth of the pictures of other subjects.
FEW_PICTURES = 300


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """The parameters of a training run.

    Attributes:
        dataset: The pictures with their labels.
        bases: Bundles or embedding extractors; at least one.
        out: A folder or a .zip.
        validation: Validation pictures; None for a part of the dataset.
        background: Pictures that show none of the labels.
        budget_s: The time limit for the whole run; None for no limit.
        optimize: accuracy chooses the best base; latency the fastest one within LATENCY_TOLERANCE of the best.
        seed: The seed of every random choice.
        name: The name of the bundle; None for the name of `out`.
        version: The PEP 440 version of the bundle; None for no version.
        gs_folders: gs://bucket → the folder of its local copy.
        cache: The feature cache.
        input: What the user states about the input of the bases, in place of what their files state.
        parent: The bundle that the new one replaces, which is recorded; None for the first model of its kind.
        license: A note on the licenses of the pictures, which is recorded.
        fine_tune: How to fine-tune the base of the general labeler as one more base; None not to do it.
        reject: How strictly other subjects are rejected.
        has_test: Set a tenth of the pictures without a split aside, for `evaluate --split test`.
    """

    dataset: str | Path
    bases: Sequence[Path]
    out: Path
    validation: str | Path | None = None
    background: str | Path | None = None
    budget_s: float | None = None
    optimize: Literal["accuracy", "latency"] = "accuracy"
    seed: int = 0
    name: str | None = None
    version: str | None = None
    gs_folders: Mapping[str, Path] = field(default_factory=dict)
    cache: FeatureCache = field(default_factory=lambda: FeatureCache(default_cache_file()))
    input: DeclaredInput = field(default_factory=DeclaredInput)
    parent: Path | None = None
    license: str | None = None
    reject: RejectLevel = RejectLevel.STANDARD
    has_test: bool = False
    fine_tune: FineTuneOptions | None = None


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The result of a training run.

    Attributes:
        bundle: The new bundle.
        candidates: One candidate per base, in the given order.
        chosen: The best candidate.
        warnings: Sentences for the user.
        seconds: The duration of the run.
        suggestion: What fine-tuning needs, as a sentence; "" if it was done, is impossible, or is of no use.
    """

    bundle: Bundle
    candidates: tuple[TrainedCandidate, ...]
    chosen: TrainedCandidate
    warnings: tuple[str, ...]
    seconds: float
    suggestion: str = ""


def train_bundle(request: TrainingRequest, progress: Progress = lambda stage, done, total: None) -> TrainingResult:
    """Train a bundle and write it to request.out.

    Args:
        request: The parameters.
        progress: Called with the current step and its progress (done, total), from time to time.

    Raises:
        DatasetError, BaseModelError, TrainingError: Training is impossible; nothing was written.
        RuntimeMissingError: No TFLite runtime works on this system.
    """
    started_s = time.monotonic()
    created = _read_source_date()
    if request.fine_tune is not None:
        require_torch()
    with create_bundle(request.out) as folder:
        parents = list_parents(request.parent)
        bases = [open_base(path, request.input) for path in request.bases]
        progress("sorting the pictures", 0, 0)
        training_set = _build_training_set(request)
        name = request.name or request.out.name.removesuffix(".zip")
        options = CandidateOptions(request.cache, request.seed, name, progress, request.reject)
        candidates, failures = _train_candidates(request, bases, training_set, options, started_s)
        chosen = choose_candidate(candidates, request.optimize)
        progress("writing", 0, 0)
        _write_result(folder, chosen, training_set, _Statements(name, request.version, created, parents), request)
        check_candidate(chosen, read_bundle(folder))
    return TrainingResult(
        bundle=read_bundle(request.out),
        candidates=tuple(candidates),
        chosen=chosen,
        warnings=(*_list_warnings(training_set, chosen), *chosen.warnings, *failures),
        seconds=time.monotonic() - started_s,
        suggestion=suggest_fine_tuning(training_set, chosen.accuracy) if request.fine_tune is None else "",
    )


def _build_training_set(request: TrainingRequest) -> TrainingSet:
    training_set = build_training_set(
        request.dataset,
        request.validation,
        request.background,
        request.gs_folders,
        request.seed,
        request.cache,
        request.has_test,
    )
    if request.fine_tune is not None:
        training_set = hold_out_validation(training_set, request.seed)
        require_fit_for_tuning(training_set)
    return training_set


def _train_candidates(
    request: TrainingRequest,
    bases: Sequence[Base],
    training_set: TrainingSet,
    options: CandidateOptions,
    started_s: float,
) -> tuple[list[TrainedCandidate], list[str]]:
    """Train a candidate on each base, and the fine-tuned one; return them, and why others are missing.

    Raises:
        TrainingError: No candidate could be trained.
    """
    candidates: list[TrainedCandidate] = []
    failures = []
    for index, base in enumerate(bases):
        left_s = None if request.budget_s is None else max(0.0, started_s + request.budget_s - time.monotonic())
        # Each base gets an equal share of the remaining time.
        shares = len(bases) - index + (request.fine_tune is not None)
        timer = TrainingTimer.start(None if left_s is None else left_s / shares)
        try:
            candidates.append(train_candidate(base, training_set, timer, options))
        except TrainingError as error:
            if request.budget_s is None:
                raise
            failures.append(f"{base.display_name} was left out: {error}")
    if request.fine_tune is not None:
        left_s = max(1.0, started_s + (request.budget_s or DEFAULT_BUDGET_S) - time.monotonic())
        try:
            candidates.append(train_fine_tuned(training_set, request.fine_tune, options, left_s))
        except TrainingError as error:
            failures.append(f"the fine-tuned base was left out: {error}")
    if not candidates:
        raise TrainingError("; ".join(failures))
    return candidates, failures


def choose_candidate(
    candidates: Sequence[TrainedCandidate], optimize: Literal["accuracy", "latency"]
) -> TrainedCandidate:
    """Choose the best candidate; if several are equal, the first one."""
    best = max(candidates, key=lambda candidate: candidate.accuracy)
    if optimize == "accuracy":
        return best
    near = [candidate for candidate in candidates if candidate.accuracy >= best.accuracy - LATENCY_TOLERANCE]
    return min(near, key=lambda candidate: candidate.invoke_ms)


@dataclass(frozen=True, slots=True)
class _Statements:
    """What the manifest states besides the results: the name, the version, the date, and the models before it."""

    name: str
    version: str | None
    created: str | None
    parents: tuple[ModelIdentity, ...]


def _write_result(
    folder: Path,
    chosen: TrainedCandidate,
    training_set: TrainingSet,
    stated: _Statements,
    request: TrainingRequest,
) -> None:
    model_file = folder / "model.tflite"
    model_file.write_bytes(chosen.model)
    sha256 = hashlib.sha256(chosen.model).hexdigest()
    bundle = Bundle(
        source=folder,
        model_file=model_file,
        labels=training_set.labels,
        identity=ModelIdentity(stated.name, stated.version or f"sha256:{sha256[:12]}", sha256),
        confidence_threshold=chosen.choice.threshold,
        label_thresholds=dict(chosen.thresholds.own) if chosen.thresholds else {},
        background_label=training_set.background,
        created=stated.created,
        input=chosen.input,
        provenance=_describe_origin(chosen, training_set, stated, request),
    )
    write_bundle(bundle, folder)


def _describe_origin(
    chosen: TrainedCandidate, training_set: TrainingSet, stated: _Statements, request: TrainingRequest
) -> Provenance | None:
    if chosen.figures is None:
        return None
    return describe_origin(
        Path(chosen.published or chosen.base),
        training_set,
        chosen.dataset_sha256,
        chosen.figures,
        request.seed,
        stated.parents,
        request.license,
    )


def _read_source_date() -> str | None:
    """Return the date in SOURCE_DATE_EPOCH (https://reproducible-builds.org), or None if it is not set."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch.isdecimal():
        return None
    try:
        return to_rfc3339(int(epoch), "seconds")
    except (ValueError, OverflowError, OSError):
        shortened = epoch if len(epoch) <= 20 else f"{epoch[:20]}…"
        raise TrainingError(f"SOURCE_DATE_EPOCH is {shortened}, too late for a date; use seconds since 1970") from None


def _list_warnings(training_set: TrainingSet, chosen: TrainedCandidate) -> list[str]:
    warnings = []
    per_label = training_set.count_labels(np.arange(len(training_set.pictures)))
    small = [label for index, label in enumerate(training_set.labels) if per_label[index] < RECOMMENDED_PICTURES]
    if small:
        warnings.append(f"fewer than {RECOMMENDED_PICTURES} pictures of {', '.join(small)}; more improve the model")
    has_others = chosen.rejection is not None and chosen.rejection.others > 0
    if chosen.counts["train"] < FEW_PICTURES and not training_set.background and not has_others:
        warnings.append(
            f"with only {chosen.counts['train']} training pictures, the model may label pictures of other "
            f"subjects; add such pictures with --background, or use {FEW_PICTURES} or more training pictures"
        )
    if training_set.left_out:
        warnings.append(describe_left_out(training_set.left_out))
    if training_set.problem_count:
        warnings.append(
            f"{training_set.problem_count} files were not used; `appliance dataset check` shows the reasons"
        )
    if shared := training_set.shared_pictures:
        pictures = "1 picture" if shared == 1 else f"{shared} pictures"
        warnings.append(
            f"{pictures} for validation {'is' if shared == 1 else 'are'} also for training, so the figures are too "
            "good; remove the same files from one of both"
        )
    if training_set.unlabeled:
        warnings.append(f"{training_set.unlabeled} pictures have no label and were left out")
    if chosen.figures is not None:
        warnings += list_quality_warnings(training_set, chosen.figures)
    return warnings
