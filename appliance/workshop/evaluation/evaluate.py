"""Evaluate a bundle on pictures whose labels are known, and on pictures that show none of its labels.

Every picture is processed by the same code as a frame on a device (read_picture, Labeler), so the scores are those that
a device computes. Each picture is decoded once, for all models. A picture that cannot be read is skipped and reported.

Pictures whose label the model lacks are not excluded: they count as content that the model misses. Pictures in the
dataset that have the model's background label count as having no content, and any label given to them is wrong.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import Bundle, read_bundle
from appliance.errors import DatasetError
from appliance.labeling.label_filter import LabelFilter
from appliance.settings.schema import LabelerSettings
from appliance.teaching.names import BACKGROUND
from appliance.workshop.datasets.dataset import Dataset, Example
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.datasets.problems import ProblemKind
from appliance.workshop.datasets.recordings import join_equal_files, list_recordings
from appliance.workshop.datasets.split_names import Subset
from appliance.workshop.evaluation.intervals import MeasuredShare, share_effective
from appliance.workshop.evaluation.metrics import Predictions, apply_thresholds
from appliance.workshop.evaluation.quality import (
    ModelQuality,
    measure_quality,
    warn_of_unbalanced_figures,
    warn_of_weak_labels,
)
from appliance.workshop.evaluation.scoring import PictureScores, align_predictions, score_pictures
from appliance.workshop.evaluation.selection import (
    PictureSelection,
    note_known_pictures,
    select_background,
    select_pictures,
)


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """A bundle, pictures, and options for an evaluation.

    Attributes:
        bundle: The model.
        dataset: Labeled pictures.
        background: Pictures that show none of the labels; their own labels do not matter.
        baseline: Another model to compare with.
        subset: The pictures of the dataset to use.
        seed: The seed of the splits, if `subset` is a split and the dataset has none.
        gs_folders: See open_dataset.
    """

    bundle: Path
    dataset: str | Path
    background: str | Path | None = None
    baseline: Path | None = None
    subset: Subset = "auto"
    seed: int = 0
    gs_folders: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelEvaluation:
    """One model and its predictions.

    Attributes:
        bundle: The model.
        threshold: The common threshold: the bundle's, or 0.5 if it has none.
        thresholds: (labels,) float32, the threshold that applies to each label.
        predictions: For the dataset's pictures.
        background: For the background pictures; None if there are none.
        missing_labels: Labels that occur in the pictures but not in the model.
        unpictured_labels: Labels of the model that no picture has.
    """

    bundle: Bundle
    threshold: float
    thresholds: np.ndarray
    predictions: Predictions
    background: Predictions | None
    missing_labels: tuple[str, ...]
    unpictured_labels: tuple[str, ...]

    @property
    def label_thresholds(self) -> dict[str, float]:
        """The labels whose threshold differs from the common one, and their thresholds."""
        own = zip(self.predictions.labels, self.thresholds, strict=True)
        return {label: round(float(value), 6) for label, value in own if value != np.float32(self.threshold)}

    def measure_quality(self, recordings: Sequence[str]) -> ModelQuality:
        """Return the figures with their intervals; `recordings` has the recording of each picture."""
        return measure_quality(self.predictions, self.threshold, self.thresholds, recordings)

    def replace_thresholds(self, threshold: float, label_thresholds: Mapping[str, float]) -> "ModelEvaluation":
        """Return the same evaluation under other thresholds."""
        thresholds = [label_thresholds.get(label, threshold) for label in self.predictions.labels]
        return dataclasses.replace(self, threshold=threshold, thresholds=np.array(thresholds, np.float32))


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that was not used, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of `evaluate`.

    Attributes:
        model: The model.
        baseline: The other model, on the same pictures.
        dataset, background: The datasets' paths.
        subset: Which pictures were used.
        options: The command-line options that select the same pictures again.
        pictures, background_pictures: The readable pictures, in the order of the scores.
        recordings, background_recordings: The recording of each picture (see datasets/recordings.py).
        skipped: Files that were not used.
        notes: Notes for the user.
    """

    model: ModelEvaluation
    baseline: ModelEvaluation | None
    dataset: Path
    subset: Subset
    options: tuple[str, ...]
    pictures: tuple[Example, ...]
    recordings: tuple[str, ...]
    background: Path | None
    background_pictures: tuple[Example, ...]
    background_recordings: tuple[str, ...]
    skipped: tuple[SkippedFile, ...]
    notes: tuple[str, ...]

    @property
    def quality(self) -> ModelQuality:
        """The model's figures with their intervals."""
        return self.model.measure_quality(self.recordings)

    @property
    def labeled_background(self) -> MeasuredShare | None:
        """The background pictures that get a label; None without a background."""
        if self.model.background is None:
            return None
        is_labeled = np.asarray(apply_thresholds(self.model.background, self.model.thresholds).any(axis=1))
        return MeasuredShare.measure(
            int(is_labeled.sum()), len(is_labeled), share_effective(self.background_recordings)
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the model or the pictures, and what to do about it."""
        reported = set(self.model.predictions.labels)
        counts = Counter(label for example in self.pictures for label in example.labels if label in reported)
        return (*warn_of_unbalanced_figures(counts), *warn_of_weak_labels(self.quality))


def evaluate_models(
    request: EvaluationRequest, progress: Callable[[int, int], None] = lambda done, total: None
) -> Evaluation:
    """Evaluate a bundle.

    Args:
        request: What to evaluate.
        progress: Called with (done, total) after each picture.

    Raises:
        DatasetError: A dataset cannot be read, has no such pictures, or shares no label with the model.
        BundleError: A bundle is refused or does not run.
        RuntimeMissingError: No TFLite runtime works on this machine.
    """
    bundles = [read_bundle(path) for path in (request.bundle, request.baseline) if path is not None]
    dataset = open_dataset(request.dataset, request.gs_folders)
    selection = select_pictures(dataset, request.subset, request.seed)
    background = None
    if request.background is not None:
        background = select_background(open_dataset(request.background, request.gs_folders))
    _require_shared_label(bundles[0], selection)
    examples = [*selection.pictures, *(background.pictures if background else ())]
    scored = score_pictures(bundles, examples, progress)
    readable = scored.list_readable(0, len(selection.pictures))
    background_readable = scored.list_readable(len(selection.pictures), len(examples))
    if not readable:
        reason = next(iter(scored.unreadable.values()))
        raise DatasetError(f"{dataset.source}: none of its {len(selection.pictures)} pictures can be read: {reason}")
    pictures = tuple(examples[index] for index in readable)
    background_pictures = tuple(examples[index] for index in background_readable)
    background_labels = _list_background_labels(bundles, dataset)
    models = [
        _evaluate_model(
            bundle, scores[readable], scores[background_readable] if background else None, pictures, background_labels
        )
        for bundle, scores in zip(bundles, scored.scores, strict=True)
    ]
    skipped = tuple(_list_skipped(selection, background, scored, examples))
    notes = [*selection.notes, *note_known_pictures(selection, bundles[0])]
    notes += [*_note_labels(models, pictures, dataset), *_note_skipped(skipped)]
    notes += [*(background.notes if background else ()), *_note_scores(scored, readable + background_readable)]
    return Evaluation(
        model=models[0],
        baseline=models[1] if len(models) > 1 else None,
        dataset=dataset.source,
        subset=selection.subset,
        options=_list_options(request),
        pictures=pictures,
        recordings=_list_recordings(pictures, scored, readable),
        background=background.dataset.source if background else None,
        background_pictures=background_pictures,
        background_recordings=_list_recordings(background_pictures, scored, background_readable),
        skipped=skipped,
        notes=tuple(notes),
    )


def _list_background_labels(bundles: Sequence[Bundle], dataset: Dataset) -> set[str]:
    """Return the labels that mean "none of the others": those of the models, and that of a dataset for training.

    A model may have been trained without the latter, for example because there were too few of these pictures.
    """
    named = {bundle.background_label for bundle in bundles if bundle.background_label is not None}
    is_reported = any(BACKGROUND in bundle.labels and bundle.background_label != BACKGROUND for bundle in bundles)
    return named if is_reported or dataset.is_multi_label else named | {BACKGROUND}


def _list_recordings(pictures: Sequence[Example], scored: PictureScores, indexes: Sequence[int]) -> tuple[str, ...]:
    """Return the recording of each picture; a file that is there twice is in one recording."""
    return tuple(join_equal_files(list_recordings(pictures), [scored.digests[index] for index in indexes]))


def _evaluate_model(
    bundle: Bundle,
    scores: np.ndarray,
    background_scores: np.ndarray | None,
    pictures: Sequence[Example],
    background_labels: Set[str],
) -> ModelEvaluation:
    targets = [example.label for example in pictures]
    known = {label for example in pictures for label in example.labels}
    is_multi_label = any(example.others for example in pictures)
    missing = tuple(sorted(known - set(bundle.labels) - background_labels))
    several = [example.labels for example in pictures] if is_multi_label else None
    predictions = align_predictions(bundle, scores, targets, background_labels, missing, several)
    background = None
    if background_scores is not None:
        no_targets = [None] * len(background_scores)
        none = [()] * len(background_scores) if is_multi_label else None
        background = align_predictions(bundle, background_scores, no_targets, background_labels, missing, none)
    in_force = LabelFilter(bundle, LabelerSettings())
    by_label = dict(zip(reversed(bundle.labels), reversed(in_force.thresholds.tolist()), strict=True))
    thresholds = [by_label.get(label, in_force.threshold) for label in predictions.labels]
    return ModelEvaluation(
        bundle=bundle,
        threshold=in_force.threshold,
        thresholds=np.array(thresholds, np.float32),
        predictions=predictions,
        background=background,
        missing_labels=missing,
        unpictured_labels=tuple(label for label in predictions.labels if label not in known),
    )


def _require_shared_label(bundle: Bundle, selection: PictureSelection) -> None:
    known = sorted({label for example in selection.pictures for label in example.labels})
    if not set(known) & (set(bundle.labels) - {bundle.background_label}):
        theirs, ours = (", ".join(each[:5]) + (", …" if len(each) > 5 else "") for each in (known, list(bundle.labels)))
        raise DatasetError(
            f"{selection.dataset.source} and {bundle.source} have no label in common: the pictures show {theirs}, "
            f"the model knows {ours}; use the same label names in both, including upper and lower case"
        )


def _list_options(request: EvaluationRequest) -> tuple[str, ...]:
    """Return the picture-selecting options of a request that differ from their defaults."""
    options = ["--split", request.subset] if request.subset != "auto" else []
    options += ["--seed", str(request.seed)] if request.seed else []
    for bucket, folder in request.gs_folders.items():
        options += ["--gs", f"{bucket}={folder}"]
    return tuple(options)


def _list_skipped(
    selection: PictureSelection, background: PictureSelection | None, scored: PictureScores, examples: Sequence[Example]
) -> Iterator[SkippedFile]:
    for each in (selection, background):
        for problem in each.dataset.problems if each else ():
            if problem.kind not in (ProblemKind.SKIPPED, ProblemKind.WRONG_NAME):
                yield SkippedFile(problem.name, problem.message)
    for index, reason in sorted(scored.unreadable.items()):
        yield SkippedFile(examples[index].name, reason)


def _note_labels(models: Sequence[ModelEvaluation], pictures: Sequence[Example], dataset: Dataset) -> Iterator[str]:
    counts = Counter(label for example in pictures for label in example.labels)
    for model in models:
        name = model.bundle.source
        if missing := model.missing_labels:
            lost = sum(counts[label] for label in missing)
            yield f"{name} lacks {_join_some(missing)}: {lost} pictures of {dataset.source} count as missed"
        if unpictured := model.unpictured_labels:
            labels = _join_some(unpictured)
            yield f"{dataset.source} has no picture of {labels}, so these labels of {name} are not evaluated"


def _note_scores(scored: PictureScores, indexes: Sequence[int]) -> Iterator[str]:
    if any(not np.isfinite(scores[indexes]).all() for scores in scored.scores):
        yield "some of the scores are not numbers; they count as 0"


def _note_skipped(skipped: Sequence[SkippedFile]) -> Iterator[str]:
    if skipped:
        reasons = "; ".join(each.reason for each in skipped[:3])
        yield f"{len(skipped)} files were skipped: {reasons}{'; …' if len(skipped) > 3 else ''}"


def _join_some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
