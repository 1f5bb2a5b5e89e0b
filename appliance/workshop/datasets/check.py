"""Check a dataset before training: read and decode every picture once, and compare it with all others.

A finding is an error if training is refused because of it (see obstacles.py), and a warning if training leaves a file
out, or if the model becomes worse or its figures too good. Anything else is a note. AutoML reported these problems
after hours, or not at all.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from appliance.workshop.datasets.dataset import MIN_PICTURES, RECOMMENDED_PICTURES, Dataset, DevicePrediction, Example
from appliance.workshop.datasets.duplicates import (
    PictureScan,
    group_equal_files,
    group_near_duplicates,
    scan_pictures,
)
from appliance.workshop.datasets.obstacles import Obstacle, count_groups, find_obstacles, select_mixed
from appliance.workshop.datasets.problems import ProblemKind
from appliance.workshop.datasets.recordings import list_recordings, list_sole_recordings
from appliance.workshop.datasets.roles import assign_roles, describe_left_out
from appliance.workshop.datasets.split_names import SPLITS
from appliance.workshop.training.feature_cache import FeatureCache

_NO_CACHE = FeatureCache(None)
# If fewer pictures than this share have several labels, they may have them by mistake.
_FEW_SEVERAL_SHARE = 0.02


class FindingLevel(StrEnum):
    """How severe a finding is, in descending order; errors make the check fail."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


# The level of each kind of problem, and its text for one and for several; kinds that are obstacles are not listed.
_PROBLEM_FINDINGS: dict[ProblemKind, tuple[FindingLevel, str, str]] = {
    ProblemKind.UNREADABLE: (FindingLevel.WARNING,
                             "file is missing, damaged, or not a picture, and will be left out",
                             "files are missing, damaged, or not pictures, and will be left out"),
    ProblemKind.TOO_LARGE: (FindingLevel.WARNING, "picture is larger than 30 MB and will be left out",
                            "pictures are larger than 30 MB and will be left out"),
    ProblemKind.WRONG_FORMAT: (FindingLevel.WARNING,
                               "picture whose format is unsupported, or differs from its name, will be left out",
                               "pictures whose format is unsupported, or differs from their name, will be left out"),
    ProblemKind.REFUSED: (FindingLevel.WARNING, "entry is refused and will be left out",
                          "entries are refused and will be left out"),
    ProblemKind.WRONG_ROW: (FindingLevel.WARNING, "row of the index is invalid and will be left out",
                            "rows of the index are invalid and will be left out"),
    ProblemKind.NO_PICTURES: (FindingLevel.WARNING, "folder beside the labels has no picture",
                              "folders beside the labels have no pictures"),
    ProblemKind.UNUSED: (FindingLevel.NOTE, "thing is not used", "things are not used"),
    ProblemKind.SKIPPED: (FindingLevel.NOTE, "file was skipped", "files were skipped"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DatasetFinding:
    """One kind of finding.

    Attributes:
        level: Errors make the check fail.
        kind: An identifier for programs.
        message: The finding and its number, for people.
        items: Each occurrence: a sentence, or the names of pictures that belong together.
    """

    level: FindingLevel
    kind: str
    message: str
    items: tuple[str | tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class LabelCount:
    """The number of pictures of a label, in total and in each split; `unassigned` counts those without a split."""

    label: str
    pictures: int
    train: int
    validation: int
    test: int
    unassigned: int


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """The result of `check_dataset`.

    Attributes:
        dataset: The checked dataset.
        counts: One per label, in the order of the labels.
        formats: Format → number of pictures.
        findings: Errors first.
        obstacles: The findings that prevent training.
    """

    dataset: Dataset
    counts: tuple[LabelCount, ...]
    formats: dict[str, int]
    findings: tuple[DatasetFinding, ...]
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def is_trainable(self) -> bool:
        """Whether `appliance train` accepts the dataset."""
        return not self.obstacles

    @property
    def errors(self) -> int:
        """The number of kinds of errors."""
        return sum(finding.level == FindingLevel.ERROR for finding in self.findings)

    @property
    def warnings(self) -> int:
        """The number of kinds of warnings."""
        return sum(finding.level == FindingLevel.WARNING for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as the value that `appliance dataset check --json` prints."""
        columns = ("pictures", *SPLITS, "unassigned")
        return {
            "dataset": str(self.dataset.source),
            "pictures": len(self.dataset.examples),
            "labels": {count.label: {name: getattr(count, name) for name in columns} for count in self.counts},
            "unlabeled": [
                {"picture": example.name, "guess": example.prediction and _prediction_as_dict(example.prediction)}
                for example in self.dataset.unlabeled
            ],
            "formats": self.formats,
            "errors": self.errors,
            "warnings": self.warnings,
            "trainable": self.is_trainable,
            "several_labels": sum(bool(example.others) for example in self.dataset.examples),
            "findings": [
                {"level": finding.level, "kind": finding.kind, "says": finding.message, "items": list(finding.items)}
                for finding in self.findings
            ],
        }


def check_dataset(
    dataset: Dataset,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cache: FeatureCache = _NO_CACHE,
) -> DatasetReport:
    """Read every picture, labeled or not, and report what is wrong with the dataset.

    Args:
        dataset: The opened dataset.
        progress: Called with (done, total) after each picture.
        cache: Stores the thumbnails, so that the next check is faster.
    """
    examples = [*dataset.examples, *dataset.unlabeled]
    scans = scan_pictures(examples, progress, cache)
    obstacles = tuple(find_obstacles(dataset, scans))
    findings = [
        *(DatasetFinding(FindingLevel.ERROR, each.kind, each.message, each.items) for each in obstacles),
        *_list_problems(dataset, scans),
        *_check_left_out(dataset, scans),
        *_check_counts(dataset),
        *_check_copies(examples, scans),
        *_check_recordings(dataset.examples),
    ]
    levels = list(FindingLevel)
    return DatasetReport(
        dataset,
        tuple(_count_pictures(label, dataset.examples) for label in dataset.labels),
        dict(Counter(scan.format for scan in scans if scan.format).most_common()),
        tuple(sorted(findings, key=lambda finding: levels.index(finding.level))),
        obstacles,
    )


def _prediction_as_dict(prediction: DevicePrediction) -> dict[str, Any]:
    return {
        "label": prediction.label, "score": prediction.score, "model": prediction.model, "reason": prediction.reason,
    }  # fmt: skip


def _count_pictures(label: str, examples: Sequence[Example]) -> LabelCount:
    splits = Counter(example.split for example in examples if label in example.labels)
    return LabelCount(label, splits.total(), splits["train"], splits["validation"], splits["test"], splits[None])


def _list_problems(dataset: Dataset, scans: Sequence[PictureScan]) -> Iterator[DatasetFinding]:
    messages: dict[ProblemKind, list[str]] = {}
    for problem in dataset.problems:
        messages.setdefault(problem.kind, []).append(problem.message)
    if damaged := [scan.error for scan in scans if scan.error]:
        messages.setdefault(ProblemKind.UNREADABLE, []).extend(damaged)
    for kind, items in messages.items():
        if kind not in _PROBLEM_FINDINGS:  # an obstacle
            continue
        level, one, many = _PROBLEM_FINDINGS[kind]
        yield DatasetFinding(level, kind, f"1 {one}" if len(items) == 1 else f"{len(items)} {many}", tuple(items))


def _check_left_out(dataset: Dataset, scans: Sequence[PictureScan]) -> Iterator[DatasetFinding]:
    if left_out := assign_roles(dataset, scans[: len(dataset.examples)]).left_out:
        items = tuple(f"{label} has {count}" for label, count in left_out.items())
        yield DatasetFinding(FindingLevel.WARNING, "left_out", describe_left_out(left_out), items)


def _check_counts(dataset: Dataset) -> Iterator[DatasetFinding]:
    counts = Counter(label for example in dataset.examples for label in example.labels)
    if few := [label for label in dataset.labels if MIN_PICTURES <= counts[label] < RECOMMENDED_PICTURES]:
        message = f"{_count_labels(few)} fewer than the recommended {RECOMMENDED_PICTURES} pictures"
        yield DatasetFinding(FindingLevel.WARNING, "few", message, _list_counts(few, counts))
    if dataset.is_multi_label:
        yield _describe_several_labels(dataset)
    alike: dict[str, list[str]] = {}
    for label in dataset.labels:
        alike.setdefault("".join(filter(str.isalnum, label.casefold())), []).append(label)
    if groups := tuple(tuple(labels) for labels in alike.values() if len(labels) > 1):
        message = "labels whose names differ only in case or separators, probably one label"
        yield DatasetFinding(FindingLevel.WARNING, "similar_labels", message, groups)
    if dataset.unlabeled:
        count = len(dataset.unlabeled)
        message = (
            f"{count} {'picture has' if count == 1 else 'pictures have'} no label and will not be used for training"
        )
        names = tuple(example.name for example in dataset.unlabeled)
        yield DatasetFinding(FindingLevel.NOTE, "unlabeled", message, names)


def _describe_several_labels(dataset: Dataset) -> DatasetFinding:
    """Return a note that pictures have several labels, or a warning if so few do that it may be a mistake."""
    several = [example for example in dataset.examples if example.others]
    count = f"{len(several)} of {len(dataset.examples)} pictures"
    message = f"{count} have several labels; a model that is trained on them reports each label independently"
    level = FindingLevel.NOTE
    if len(several) < _FEW_SEVERAL_SHARE * len(dataset.examples):
        level = FindingLevel.WARNING
        message += "; if that is a mistake, leave one label to each picture"
    items = tuple(f"{example.name}: {', '.join(example.labels)}" for example in several)
    return DatasetFinding(level, "several_labels", message, items)


def _count_labels(labels: Sequence[str]) -> str:
    return "1 label has" if len(labels) == 1 else f"{len(labels)} labels have"


def _list_counts(labels: Sequence[str], counts: Counter[str]) -> tuple[str, ...]:
    return tuple(f"{label} has {counts[label]}" for label in labels)


def _check_recordings(examples: Sequence[Example]) -> Iterator[DatasetFinding]:
    recordings = list_recordings(examples)
    if sole := list_sole_recordings(examples, recordings):
        labels = "a label" if len(sole) == 1 else f"each of {len(sole)} labels"
        message = (
            f"all pictures of {labels} are of one recording, which makes the figures too good; record it again, from "
            "another side or in another place"
        )
        yield DatasetFinding(FindingLevel.WARNING, "sole_recording", message, tuple(sole))
    members: dict[str, list[int]] = {}
    for index, recording in enumerate(recordings):
        members.setdefault(recording, []).append(index)
    if divided := select_mixed(examples, list(members.values()), "split"):
        names = tuple(tuple(examples[index].name for index in indexes) for indexes in divided)
        message = "pictures of one recording in two splits, which makes the figures too good"
        yield DatasetFinding(FindingLevel.WARNING, "divided_recording", f"{message}: {count_groups(divided)}", names)


def _check_copies(examples: Sequence[Example], scans: Sequence[PictureScan]) -> Iterator[DatasetFinding]:
    same = group_equal_files(scans)
    near: dict[int, list[int]] = {}
    for index, group in enumerate(group_near_duplicates(scans)):
        near.setdefault(int(group), []).append(index)
    alike = [indexes for indexes in near.values() if len(indexes) > 1]
    # A group that consists only of equal files is reported as equal files.
    only_near = [indexes for indexes in alike if len({scans[index].sha256 for index in indexes}) > 1]
    undecodable = [indexes for indexes in same if scans[indexes[0]].thumbnail is None]
    kinds = [
        (FindingLevel.WARNING, "near_two_labels", "pictures that look the same under two labels",
         select_mixed(examples, only_near, "labels")),
        (FindingLevel.WARNING, "across_splits",
         "pictures that are the same or look the same in two splits, which makes the figures too good",
         select_mixed(examples, [*alike, *undecodable], "split")),
        (FindingLevel.WARNING, "duplicates", "the same file more than once", same),
        (FindingLevel.WARNING, "near_duplicates",
         "pictures that look the same (resized, recompressed, mirrored, or taken a moment later)", only_near),
    ]  # fmt: skip
    for level, kind, message, groups in kinds:
        if groups:
            names = tuple(tuple(examples[index].name for index in indexes) for indexes in groups)
            yield DatasetFinding(level, kind, f"{message}: {count_groups(groups)}", names)
