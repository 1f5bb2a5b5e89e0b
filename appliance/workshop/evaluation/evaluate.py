"""Evaluation: what a bundle says of pictures whose labels are known, and of pictures that show none of them.

Every picture goes the way that a device's frame goes (read_picture, Labeler), so the scores are those of the device.
It is decoded once, for all models that look at it. A picture that cannot be read costs only itself, and is said.

Labels that pictures have and the model lacks stay in: such a picture has content that the model misses. A dataset's own
pictures of the model's background label have no content, and a label given to one of them is a wrong one.
"""

import dataclasses
import io
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import Bundle, read_bundle
from appliance.errors import DatasetError, PictureError
from appliance.imaging.files import read_picture
from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import LabelerSettings
from appliance.workshop.datasets.dataset import Dataset, Example
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.evaluation.metrics import NEVER, Predictions
from appliance.workshop.evaluation.selection import Subset, background_pictures, chosen_pictures

MAX_THREADS = 8


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What is to be evaluated.

    Attributes:
        bundle: The model.
        dataset: Pictures with labels.
        background: Pictures of none of the labels; their own labels do not matter.
        against: Another model to hold it against.
        part: Which of the dataset's pictures; as parts.py has it.
        seed: Of the splits, where `part` names one and the dataset has none.
        gs: As open_dataset has it.
    """

    bundle: Path
    dataset: str | Path
    background: str | Path | None = None
    against: Path | None = None
    part: Subset = "auto"
    seed: int = 0
    gs: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelEvaluation:
    """One model and what it said.

    Attributes:
        bundle: The model.
        threshold: The common one in force: the bundle's, else 0.5.
        thresholds: (labels,) float32, the one in force for each label.
        judged: The dataset's pictures.
        background: The background pictures; None where none were given.
        lacks: Labels of the pictures that the model does not have.
        unseen: Labels of the model that no picture has.
    """

    bundle: Bundle
    threshold: float
    thresholds: np.ndarray
    judged: Predictions
    background: Predictions | None
    lacks: tuple[str, ...]
    unseen: tuple[str, ...]

    @property
    def label_thresholds(self) -> dict[str, float]:
        """The labels whose threshold is not the common one."""
        own = zip(self.judged.labels, self.thresholds, strict=True)
        return {label: round(float(value), 6) for label, value in own if value != np.float32(self.threshold)}

    def at(self, threshold: float, label_thresholds: Mapping[str, float]) -> "ModelEvaluation":
        """The same with other thresholds."""
        thresholds = [label_thresholds.get(label, threshold) for label in self.judged.labels]
        return dataclasses.replace(self, threshold=threshold, thresholds=np.array(thresholds, np.float32))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of it.

    Attributes:
        subject: The model.
        against: The other one, on the same pictures.
        dataset, background: What was opened.
        part: Which pictures were taken.
        options: What on the command line takes the same pictures again.
        pictures, background_pictures: Those that could be read, in the order of the scores.
        skipped: (name, reason) of files that were not taken or could not be read.
        notes: What the user should know, a sentence each.
    """

    subject: ModelEvaluation
    against: ModelEvaluation | None
    dataset: Path
    part: Subset
    options: tuple[str, ...]
    pictures: tuple[Example, ...]
    background: Path | None
    background_pictures: tuple[Example, ...]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def evaluate(request: EvaluationRequest, progress: Callable[[int, int], None] = lambda done, total: None) -> Evaluation:
    """Evaluates a bundle.

    Args:
        request: What is wanted.
        progress: Called with (done, total) now and then.

    Raises:
        DatasetError: A dataset cannot be read, has no such pictures, or shares no label with the model.
        BundleError: A bundle is refused or does not run.
        RuntimeMissingError: No TFLite runtime works here.
    """
    bundles = [read_bundle(path) for path in (request.bundle, request.against) if path is not None]
    dataset = open_dataset(request.dataset, request.gs)
    examples, part, notes = chosen_pictures(dataset, request.part, request.seed)
    others, other_part = [], "all"
    opened = [dataset]
    if request.background is not None:
        opened.append(open_dataset(request.background, request.gs))
        others, other_part = background_pictures(opened[1])
    _require_common(bundles[0], dataset, examples)
    scores, unreadable = look(bundles, [*examples, *others], progress)
    read = [place for place in range(len(examples) + len(others)) if place not in unreadable]
    cut = sum(1 for place in read if place < len(examples))
    pictures = tuple(examples[place] for place in read[:cut])
    without = tuple(others[place - len(examples)] for place in read[cut:])
    if not pictures:
        raise DatasetError(
            f"{dataset.source}: none of its {len(examples)} pictures can be read. {next(iter(unreadable.values()))}"
        )
    nothing = {bundle.background_label for bundle in bundles} - {None}
    subjects = [
        _subject(bundle, said[read[:cut]], said[read[cut:]] if others else None, pictures, nothing)
        for bundle, said in zip(bundles, scores, strict=True)
    ]
    names = [example.name for example in (*examples, *others)]
    skipped = [
        (problem.name, problem.says)
        for one in opened
        for problem in one.problems
        if problem.fault not in ("passed_over", "wrong_name")
    ]
    skipped += [(names[place], reason) for place, reason in sorted(unreadable.items())]
    notes += _said(subjects, pictures, dataset, skipped)
    if others and other_part != "all":
        notes.append(f"Of the background only the {other_part} pictures are looked at.")
    if any(not np.isfinite(said[read]).all() for said in scores):
        notes.append("Some of the scores are not numbers; they count as 0.")
    return Evaluation(
        subject=subjects[0],
        against=subjects[1] if len(subjects) > 1 else None,
        dataset=dataset.source,
        part=part,
        options=_options(request),
        pictures=pictures,
        background=opened[1].source if others else None,
        background_pictures=without,
        skipped=tuple(skipped),
        notes=tuple(notes),
    )


def _options(request: EvaluationRequest) -> tuple[str, ...]:
    """Those of `request` that choose pictures and are not as they are by themselves."""
    options = ["--split", request.part] if request.part != "auto" else []
    options += ["--seed", str(request.seed)] if request.seed else []
    for bucket, folder in request.gs.items():
        options += ["--gs", f"{bucket}={folder}"]
    return tuple(options)


def look(
    bundles: Sequence[Bundle], examples: Sequence[Example], progress: Callable[[int, int], None]
) -> tuple[list[np.ndarray], dict[int, str]]:
    """Labels pictures with several models at once, on as many threads as there are processors.

    Returns:
        For each bundle (pictures, outputs) float32, rows of zeros where a picture cannot be read; and place → reason.
    """
    own = threading.local()

    def labeled(example: Example) -> list[np.ndarray] | str:
        if not hasattr(own, "labelers"):
            own.labelers = [Labeler(bundle) for bundle in bundles]
        try:
            pixels = read_picture(io.BytesIO(example.read_bytes()), example.name)
        except PictureError as error:
            return str(error)
        return [labeler.scores(pixels) for labeler in own.labelers]

    scores = [np.zeros((len(examples), len(bundle.labels)), np.float32) for bundle in bundles]
    unreadable: dict[int, str] = {}
    threads = min(MAX_THREADS, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(threads, "evaluate") as pool:
        try:
            for place, outcome in enumerate(pool.map(labeled, examples)):
                if isinstance(outcome, str):
                    unreadable[place] = outcome
                else:
                    for table, row in zip(scores, outcome, strict=True):
                        table[place] = row
                progress(place + 1, len(examples))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return scores, unreadable


def judge(
    bundle: Bundle, scores: np.ndarray, shown: Sequence[str | None], nothing: set[str], lacks: Sequence[str]
) -> Predictions:
    """Puts outputs and labels side by side.

    A label that the model has twice (ImageNet has two cranes) is one here, with the higher of its scores.

    Args:
        bundle: Whose outputs they are.
        scores: (pictures, outputs) float32.
        shown: Each picture's label; None where it shows none.
        nothing: Labels that mean that nothing is there.
        lacks: Labels to add that the model does not have.
    """
    scores = np.nan_to_num(scores, nan=0.0, posinf=0.0, neginf=0.0)
    labels = [*dict.fromkeys(label for label in bundle.labels if label != bundle.background_label), *lacks]
    number = {label: place for place, label in enumerate(labels)}
    outputs = np.array([number.get(label, -1) for label in bundle.labels], np.intp)
    judged = np.full((len(scores), len(labels)), NEVER, np.float32)
    for output, place in enumerate(outputs):
        if place >= 0:
            np.maximum(judged[:, place], scores[:, output], out=judged[:, place])
    targets = [-1 if label is None or label in nothing else number[label] for label in shown]
    best = scores.argmax(axis=1)
    return Predictions(
        tuple(labels), judged, np.array(targets, np.intp), outputs[best], scores[np.arange(len(scores)), best]
    )


def _subject(
    bundle: Bundle, scores: np.ndarray, background: np.ndarray | None, pictures: Sequence[Example], nothing: set[str]
) -> ModelEvaluation:
    shown = [example.label for example in pictures]
    lacks = tuple(sorted(set(shown) - set(bundle.labels) - nothing))
    judged = judge(bundle, scores, shown, nothing, lacks)
    in_force = LabelFilter(bundle, LabelerSettings())
    by_label = dict(zip(reversed(bundle.labels), reversed(in_force.thresholds.tolist()), strict=True))
    return ModelEvaluation(
        bundle=bundle,
        threshold=in_force.threshold,
        thresholds=np.array([by_label.get(label, in_force.threshold) for label in judged.labels], np.float32),
        judged=judged,
        background=None if background is None else judge(bundle, background, [None] * len(background), nothing, lacks),
        lacks=lacks,
        unseen=tuple(label for label in judged.labels if label not in set(shown)),
    )


def _require_common(bundle: Bundle, dataset: Dataset, examples: Sequence[Example]) -> None:
    shown = sorted({example.label for example in examples if example.label is not None})
    if not set(shown) & (set(bundle.labels) - {bundle.background_label}):
        ours, theirs = (
            ", ".join(labels[:5]) + (", …" if len(labels) > 5 else "") for labels in (shown, list(bundle.labels))
        )
        raise DatasetError(
            f"{dataset.source} and {bundle.source} have no label in common: the pictures show {ours}, the model knows {theirs}. "
            "Label names must be the same, upper and lower case included."
        )


def _said(
    subjects: Sequence[ModelEvaluation],
    pictures: Sequence[Example],
    dataset: Dataset,
    skipped: Sequence[tuple[str, str]],
) -> list[str]:
    counts = Counter(example.label for example in pictures)
    notes = []
    for subject in subjects:
        name = subject.bundle.source
        if subject.lacks:
            lost = sum(counts[label] for label in subject.lacks)
            notes.append(
                f"{name} lacks {_some(subject.lacks)}: {lost} pictures of {dataset.source}, which count as missed."
            )
        if subject.unseen:
            notes.append(
                f"{dataset.source} has no picture of {_some(subject.unseen)}, which {name} knows: nothing is said of those."
            )
    if skipped:
        reasons = " ".join(reason for _, reason in skipped[:3])
        notes.append(f"{len(skipped)} files were skipped. {reasons}{' …' if len(skipped) > 3 else ''}")
    return notes


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:8]) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
