"""Decide whether a model may be trained on a dataset; `check`, `train`, and the report use the same decision.

An obstacle is something that would make a model wrong in silence, or that stops training. A file that cannot be used is
no obstacle as long as enough others of its label are left: training leaves it out and reports it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from appliance.errors import DatasetError
from appliance.workshop.datasets.dataset import MIN_PICTURES, Dataset, Example
from appliance.workshop.datasets.duplicates import PictureScan, group_equal_files
from appliance.workshop.datasets.label_names import suggest_renames
from appliance.workshop.datasets.problems import ProblemKind
from appliance.workshop.datasets.roles import assign_roles

_MIN_TRAIN_PICTURES = 2
_LISTED = 3


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A reason why no model is trained on a dataset.

    Attributes:
        kind: An identifier for programs.
        message: The obstacle and its number, for a list.
        items: Each occurrence: a sentence, or the names of pictures that belong together.
        sentence: The obstacle and the remedy, without the name of the dataset.
    """

    kind: str
    message: str
    items: tuple[str | tuple[str, ...], ...]
    sentence: str


def require_trainable(
    dataset: Dataset, scans: Sequence[PictureScan] | None = None, has_background: bool = False
) -> None:
    """Raise an error if no model should be trained on a dataset.

    Args:
        dataset: The opened dataset.
        scans: The result of scan_pictures(dataset.examples); None if the pictures were not read.
        has_background: Whether background pictures are given beside the dataset.

    Raises:
        DatasetError: There is an obstacle; the message names the first one.
    """
    obstacles = list(find_obstacles(dataset, scans, has_background))
    if obstacles:
        more = len(obstacles) - 1
        hint = f" ({more} more {'error' if more == 1 else 'errors'}: appliance dataset check)" if more else ""
        raise DatasetError(f"{dataset.source} {obstacles[0].sentence}{hint}")


def find_obstacles(
    dataset: Dataset, scans: Sequence[PictureScan] | None = None, has_background: bool = False
) -> Iterator[Obstacle]:
    """Yield every obstacle to training on a dataset (see require_trainable)."""
    yield from _find_in_problems(dataset)
    roles = assign_roles(dataset, scans, has_background)
    learned = roles.dataset
    if len(learned.labels) < roles.least_labels:
        yield _describe_missing_labels(learned)
    readable = [
        example
        for index, example in enumerate(learned.examples)
        if roles.scans is None or roles.scans[index].thumbnail is not None
    ]
    yield from _find_small_labels(learned, readable)
    if dataset.is_multi_label:
        yield from _find_constant_labels(dataset, readable)
    if scans is not None:
        yield from _find_contradictions(dataset.examples, group_equal_files(scans[: len(dataset.examples)]))


def select_mixed(
    examples: Sequence[Example], groups: Sequence[list[int]], attribute: Literal["labels", "split"]
) -> list[list[int]]:
    """Return the groups whose pictures have different labels or splits."""
    return [
        indexes for indexes in groups
        if len({getattr(examples[index], attribute) for index in indexes} - {None, ()}) > 1
    ]  # fmt: skip


def count_groups(groups: Sequence[list[int]]) -> str:
    """Return the number of groups in words."""
    return f"{len(groups)} {'group' if len(groups) == 1 else 'groups'}"


def _find_in_problems(dataset: Dataset) -> Iterator[Obstacle]:
    texts = {
        ProblemKind.MISREAD: ("the folders or columns have more than one meaning", "cannot be understood"),
        ProblemKind.LOST_LABEL: ("labels are lost", "would lose a label"),
        ProblemKind.WRONG_NAME: ("labels with invalid names", "has a label with an invalid name"),
    }
    for kind, (many, sentence) in texts.items():
        messages = tuple(problem.message for problem in dataset.problems if problem.kind == kind)
        if messages:
            text = many if kind == ProblemKind.MISREAD else f"{len(messages)} {many}"
            if len(messages) == 1 and kind != ProblemKind.MISREAD:
                text = "1 label has an invalid name" if kind == ProblemKind.WRONG_NAME else "1 label is lost"
            command = suggest_renames(dataset) if kind == ProblemKind.WRONG_NAME else None
            advice = f"; to rename all, run: {command}" if command else ""
            yield Obstacle(kind, text, messages, f"{sentence}: {messages[0]}{advice}")


def _describe_missing_labels(dataset: Dataset) -> Obstacle:
    remedy = "put the pictures into one folder per label, at least two"
    if dataset.labels:
        message = f"there is only one label; {remedy}"
        return Obstacle("one_label", message, dataset.labels, f"has only the label {dataset.labels[0]}; {remedy}")
    message = f"no picture has a label; {remedy}, or pass them with --background if they show none of the labels"
    return Obstacle("no_label", message, (), f"has no label; {remedy}")


def _find_small_labels(dataset: Dataset, readable: Sequence[Example]) -> Iterator[Obstacle]:
    counts = Counter(label for example in readable for label in example.labels)
    if few := [label for label in dataset.labels if counts[label] < MIN_PICTURES]:
        has = "1 label has" if len(few) == 1 else f"{len(few)} labels have"
        listed = ", ".join(f"{label} ({counts[label]})" for label in few)
        sentence = f"has fewer than {MIN_PICTURES} pictures of {listed}; add more, or leave out the label"
        if lost := len(dataset.examples) - len(readable):
            sentence = (
                f"is too small: {lost} pictures could not be read, and fewer than {MIN_PICTURES} are left of {listed}"
            )
        yield Obstacle(
            "too_few",
            f"{has} fewer than {MIN_PICTURES} pictures, too few for training; add more, or leave out the label",
            tuple(f"{label} has {counts[label]}" for label in few),
            sentence,
        )
    trainable = Counter(label for each in readable if each.split in (None, "train") for label in each.labels)
    if lacking := [label for label in dataset.labels if label not in few and trainable[label] < _MIN_TRAIN_PICTURES]:
        message = (
            f"fewer than {_MIN_TRAIN_PICTURES} training pictures of {', '.join(lacking)}; move some from the other "
            "splits to TRAIN"
        )
        items = tuple(f"{label} has {trainable[label]} for training" for label in lacking)
        yield Obstacle("not_in_train", message, items, f"has {message}")


def _find_constant_labels(dataset: Dataset, readable: Sequence[Example]) -> Iterator[Obstacle]:
    """Yield an obstacle for labels that are not learned because (nearly) every picture for training has them."""
    training = [example for example in readable if example.split in (None, "train")]
    counts = Counter(label for example in training for label in example.labels)
    enough = [label for label in dataset.labels if counts[label] >= _MIN_TRAIN_PICTURES]
    constant = [label for label in enough if len(training) - counts[label] < _MIN_TRAIN_PICTURES]
    if constant:
        message = f"{', '.join(constant)} on every picture for training, so nothing shows what lacks it"
        remedy = "add pictures without it, or leave out the label"
        items = tuple(f"{label} is on {counts[label]} of {len(training)}" for label in constant)
        yield Obstacle("constant_label", f"{message}; {remedy}", items, f"has {message}; {remedy}")


def _find_contradictions(examples: Sequence[Example], same: Sequence[list[int]]) -> Iterator[Obstacle]:
    if mixed := select_mixed(examples, same, "labels"):
        yield _describe_groups(
            examples,
            mixed,
            "two_labels",
            "the same picture under two labels",
            "remove it from all but one, or list it once with all its labels in a .csv index",
        )
    leaked = [indexes for indexes in same if {"train", "test"} <= {examples[index].split for index in indexes}]
    if leaked:
        yield _describe_groups(
            examples, leaked, "train_and_test", "the same picture in TRAIN and in TEST", "remove it from one of them"
        )


def _describe_groups(
    examples: Sequence[Example], groups: Sequence[list[int]], kind: str, message: str, remedy: str
) -> Obstacle:
    names = tuple(tuple(examples[index].name for index in indexes) for indexes in groups)
    first = " = ".join(names[0][:_LISTED])
    return Obstacle(
        kind,
        f"{message}: {count_groups(groups)}; {remedy}",
        names,
        f"has {message} ({first}; {count_groups(groups)}); {remedy}",
    )
