"""Looks a dataset over before anybody trains on it: every picture is read and decoded once, and compared with all others.

What would spoil a model or stop a training is an error; what makes it worse, or its figures too good, is a warning; the
rest is a note. AutoML found these things out after hours, or never.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from appliance.workshop.datasets.dataset import LEAST_PICTURES, RECOMMENDED_PICTURES, SPLITS, Dataset, Example
from appliance.workshop.datasets.duplicates import PictureScan, look, near_groups, same_bytes

Level = Literal["error", "warning", "note"]

# What a fault of opening is called as a finding: how grave it is, and what it says of one and of several.
_FAULTS: dict[str, tuple[Level, str, str]] = {
    "unreadable": ("error", "file is missing, damaged or no picture", "files are missing, damaged or no pictures"),
    "too_large": ("error", "picture is larger than 30 MB", "pictures are larger than 30 MB"),
    "wrong_format": ("error", "picture is in a format that is not taken, or not the one that its name says",
                     "pictures are in a format that is not taken, or not the one that their names say"),
    "wrong_name": ("error", "label has a name that cannot be used", "labels have names that cannot be used"),
    "refused": ("error", "entry is refused", "entries are refused"),
    "wrong_row": ("error", "row of the index is wrong", "rows of the index are wrong"),
    "passed_over": ("note", "file was passed over", "files were passed over"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DatasetFinding:
    """One kind of thing that was found.

    Attributes:
        level: Errors make the check fail.
        kind: A word for programs.
        says: How many there are, in words.
        items: Each of them: a sentence, or the names of pictures that belong together.
    """

    level: Level
    kind: str
    says: str
    items: tuple[str | tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How many pictures a label has, and of them in each split; `unassigned` have none."""

    label: str
    pictures: int
    train: int
    validation: int
    test: int
    unassigned: int


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What `check` found.

    Attributes:
        dataset: What was looked at.
        counts: One for each label, in their order.
        formats: Format → pictures.
        findings: Errors first.
    """

    dataset: Dataset
    counts: tuple[LabelCount, ...]
    formats: dict[str, int]
    findings: tuple[DatasetFinding, ...]

    @property
    def errors(self) -> int:
        """How many kinds of errors there are."""
        return sum(finding.level == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many kinds of warnings there are."""
        return sum(finding.level == "warning" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "dataset": str(self.dataset.source),
            "pictures": len(self.dataset.examples),
            "labels": {
                count.label: {"pictures": count.pictures, **{split: getattr(count, split) for split in (*SPLITS, "unassigned")}}
                for count in self.counts
            },
            "unlabeled": [
                {"picture": example.name, "guess": example.guess and {
                    "label": example.guess.label, "score": example.guess.score,
                    "model": example.guess.model, "reason": example.guess.reason,
                }}
                for example in self.dataset.unlabeled
            ],
            "formats": self.formats,
            "errors": self.errors,
            "warnings": self.warnings,
            "findings": [
                {"level": finding.level, "kind": finding.kind, "says": finding.says, "items": list(finding.items)}
                for finding in self.findings
            ],
        }  # fmt: skip


def check(dataset: Dataset, progress: Callable[[int, int], None] = lambda done, total: None) -> DatasetReport:
    """Reads every picture, labeled or not, and says what is wrong with the dataset.

    Args:
        dataset: As opened.
        progress: Told how many of how many pictures are read.
    """
    examples = [*dataset.examples, *dataset.unlabeled]
    looks = look(examples, progress)
    findings = [*_of_opening(dataset, looks), *_of_counts(dataset), *_of_copies(examples, looks)]
    order: list[Level] = ["error", "warning", "note"]
    return DatasetReport(
        dataset,
        tuple(_count(label, dataset.examples) for label in dataset.labels),
        dict(Counter(seen.format for seen in looks if seen.format).most_common()),
        tuple(sorted(findings, key=lambda finding: order.index(finding.level))),
    )


def _count(label: str, examples: Sequence[Example]) -> LabelCount:
    splits = Counter(example.split for example in examples if example.label == label)
    return LabelCount(label, splits.total(), splits["train"], splits["validation"], splits["test"], splits[None])


def _of_opening(dataset: Dataset, looks: Sequence[PictureScan]) -> list[DatasetFinding]:
    sentences: dict[str, list[str]] = {}
    for problem in dataset.problems:
        sentences.setdefault(problem.fault, []).append(problem.says)
    if damaged := [seen.fault for seen in looks if seen.fault]:
        sentences.setdefault("unreadable", []).extend(damaged)
    findings = []
    for fault, items in sentences.items():
        level, one, many = _FAULTS[fault]
        findings.append(
            DatasetFinding(level, fault, f"1 {one}" if len(items) == 1 else f"{len(items)} {many}", tuple(items))
        )
    return findings


def _of_counts(dataset: Dataset) -> list[DatasetFinding]:
    counts = Counter(example.label for example in dataset.examples)
    findings = []
    if few := [label for label in dataset.labels if counts[label] < LEAST_PICTURES]:
        says = f"{_labels(len(few))} fewer than {LEAST_PICTURES} pictures, too few to train on"
        findings.append(
            DatasetFinding("error", "too_few", says, tuple(f"{label} has {counts[label]}" for label in few))
        )
    if short := [label for label in dataset.labels if LEAST_PICTURES <= counts[label] < RECOMMENDED_PICTURES]:
        says = f"{_labels(len(short))} fewer than the {RECOMMENDED_PICTURES} pictures that are recommended"
        findings.append(
            DatasetFinding("warning", "few", says, tuple(f"{label} has {counts[label]}" for label in short))
        )
    if len(dataset.labels) == 1:
        says = "there is one label alone: a model needs two or more to tell apart"
        findings.append(DatasetFinding("warning", "one_label", says, (dataset.labels[0],)))
    if dataset.unlabeled:
        count = len(dataset.unlabeled)
        says = f"{count} {'picture has' if count == 1 else 'pictures have'} no label and will not be trained on"
        findings.append(DatasetFinding("note", "unlabeled", says, tuple(example.name for example in dataset.unlabeled)))
    return findings


def _labels(count: int) -> str:
    return "1 label has" if count == 1 else f"{count} labels have"


def _of_copies(examples: Sequence[Example], looks: Sequence[PictureScan]) -> list[DatasetFinding]:
    same = same_bytes(looks)
    near: dict[int, list[int]] = {}
    for place, group in enumerate(near_groups(looks)):
        near.setdefault(int(group), []).append(place)
    alike = [places for places in near.values() if len(places) > 1]
    # A group of nothing but equal files is told as those.
    not_just_same = [places for places in alike if len({looks[place].sha256 for place in places}) > 1]

    def named(groups: Sequence[Sequence[int]]) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(examples[place].name for place in places) for places in groups)

    def differ(groups: Sequence[Sequence[int]], attribute: str) -> list[Sequence[int]]:
        def values(places: Sequence[int]) -> set[str]:
            return {value for place in places if (value := getattr(examples[place], attribute)) is not None}

        return [places for places in groups if len(values(places)) > 1]

    found: list[tuple[Level, str, str, Sequence[Sequence[int]]]] = [
        ("error", "two_labels", "the same picture under two labels", differ(same, "label")),
        ("warning", "near_two_labels", "pictures that look the same under two labels", differ(not_just_same, "label")),
        ("warning", "across_splits", "pictures that are the same or look it in two splits, so that figures come out too good",
         differ([*alike, *(places for places in same if looks[places[0]].thumbnail is None)], "split")),
        ("warning", "duplicates", "the same file more than once", same),
        ("warning", "near_duplicates", "pictures that look the same (resized, recompressed, mirrored, a moment later)",
         not_just_same),
    ]  # fmt: skip
    return [
        DatasetFinding(level, kind, f"{says}: {len(groups)} {'group' if len(groups) == 1 else 'groups'}", named(groups))
        for level, kind, says, groups in found
        if groups
    ]
