"""Collect the pictures for a training run: those for fitting, those for validation, and their labels.

A training set is built from one dataset with splits, or from two (the second one for validation), and from background
pictures, if there are any. The pictures are ordered so that the first pictures, however many, are a fair sample of the
whole, with the same shares of labels, training pictures, and validation pictures. Therefore a run that must stop early
has used some of each kind.
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from appliance.errors import TrainingError
from appliance.teaching.names import BACKGROUND
from appliance.workshop.datasets.dataset import MIN_PICTURES, Dataset, Example
from appliance.workshop.datasets.duplicates import PictureScan, group_near_duplicates, scan_pictures
from appliance.workshop.datasets.obstacles import require_trainable
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.datasets.problems import ProblemKind
from appliance.workshop.datasets.recordings import divide_sole_recordings, find_recording, list_recordings
from appliance.workshop.datasets.roles import assign_roles
from appliance.workshop.datasets.split_assignment import assign_splits
from appliance.workshop.datasets.split_names import Split
from appliance.workshop.training.feature_cache import FeatureCache
from appliance.workshop.training.shared_files import count_shared_files, require_no_contradiction

_BACKGROUND_VALIDATION_SHARE = 0.2
# Without validation pictures, this share of the training pictures with several labels validates.
_VALIDATION_SHARE = 0.1
_NO_FILES = (
    ProblemKind.SKIPPED, ProblemKind.UNUSED, ProblemKind.NO_PICTURES, ProblemKind.WRONG_NAME, ProblemKind.MISREAD,
)  # fmt: skip
_NO_CACHE = FeatureCache(None)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Pictures with their labels and purposes.

    Attributes:
        labels: The labels, in the order of the model's output.
        background: The label of background pictures, one of `labels`; None if there are no background pictures.
        pictures: The pictures, in an order in which the first ones are a fair sample.
        targets: (pictures,) the index of each picture's label; of several, the rarest one; −1 for none.
        is_validation: (pictures,) bool: whether the picture is for validation, not for fitting.
        unlabeled: The number of pictures without a label, which are left out.
        test_counts: The number of test pictures of each label, by index.
        test_pictures: The number of test pictures, which may have several labels.
        problem_count: The number of files of the datasets that cannot be used.
        membership: (pictures, labels) bool, the labels of each picture, if pictures have several; else None. Background
            pictures have none of the labels then, and there is no label for them.
        left_out: Label → number of pictures, for labels with too few pictures, which are left out.
        shared_pictures: The number of pictures of a second dataset for validation that are also for training.
        group_numbers: (pictures,) int, the group of each picture: pictures of one recording, and near duplicates, are
            never on both sides of a split or of a fold. None if all are separate.
    """

    labels: tuple[str, ...]
    background: str | None
    pictures: tuple[Example, ...]
    targets: np.ndarray
    is_validation: np.ndarray
    unlabeled: int
    test_counts: Mapping[int, int]
    problem_count: int
    membership: np.ndarray | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    group_numbers: np.ndarray | None = None
    test_pictures: int = 0
    shared_pictures: int = 0

    @property
    def groups(self) -> np.ndarray:
        """(pictures,) int, see group_numbers."""
        return np.arange(len(self.targets)) if self.group_numbers is None else self.group_numbers

    @property
    def is_background(self) -> np.ndarray:
        """(pictures,) bool: whether the picture is a background picture."""
        if self.membership is not None:
            return self.targets < 0
        if self.background is None:
            return np.zeros(len(self.targets), bool)
        mask: np.ndarray = self.targets == self.labels.index(self.background)
        return mask

    def count_labels(self, indexes: np.ndarray) -> Counter[int]:
        """Return how many of these pictures have each label, by the index of the label."""
        if self.membership is None:
            return Counter(self.targets[indexes].tolist())
        return Counter(dict(enumerate(self.membership[indexes].sum(axis=0).tolist())))


@dataclass(frozen=True, slots=True)
class _Item:
    """A picture with its label, or the rarest of several, its split, all its labels, and the key of its group."""

    example: Example
    label: str
    split: Split | None
    labels: tuple[str, ...]
    group: tuple[str, str | int]

    @property
    def kind(self) -> tuple[str, bool]:
        """The label, and whether the picture is for validation."""
        return self.label, self.split == "validation"


def build_training_set(
    dataset: str | Path,
    validation: str | Path | None,
    background: str | Path | None,
    gs_folders: Mapping[str, Path],
    seed: int,
    cache: FeatureCache = _NO_CACHE,
    has_test: bool = False,
) -> TrainingSet:
    """Open the datasets for a training run.

    Args:
        dataset: The pictures with their labels.
        validation: Validation pictures; None for those that the dataset marks. If there are none, choices are made by
            cross-validation; with several labels on a picture, a tenth of the pictures validates.
        background: Pictures that show none of the labels, with any labels of their own; None for no background.
        gs_folders: See open_dataset.
        seed: The seed of the splits and the order.
        cache: Stores the thumbnails of the pictures.
        has_test: Set a tenth of the pictures without a split aside for the test.

    Raises:
        DatasetError: A dataset cannot be read or is unsuitable.
        TrainingError: The datasets do not match.
    """
    first = open_dataset(dataset, gs_folders)
    scans = scan_pictures(first.examples, cache=cache)
    require_trainable(first, scans, background is not None)
    opened, roles = [first], assign_roles(first, scans, background is not None)
    first, scans = roles.dataset, list(roles.scans or ())
    if validation is None:
        groups = group_near_duplicates(scans, divide_sole_recordings(first.examples, list_recordings(first.examples)))
        items = list(_label_items(_assign_all_splits(first, seed, scans, has_test), groups.tolist()))
    else:
        second = open_dataset(validation, gs_folders)
        opened.append(second)
        items = _combine(first, second, scans)
    labels, unlabeled = first.labels, sum(len(one.unlabeled) for one in opened)
    is_multi_label = any(one.is_multi_label for one in opened)
    negatives = roles.background
    if background is not None:
        opened.append(open_dataset(background, gs_folders))
        negatives = require_no_contradiction(first, opened[-1])
    has_background = bool(negatives) or background is not None
    if has_background:
        items += _make_background_items(negatives, items, seed, is_multi_label)
        labels = labels if is_multi_label else (*(label for label in labels if label != BACKGROUND), BACKGROUND)
    used = [item for item in items if item.split != "test"]
    source = first.source if background is None else opened[-1].source
    _require_train_and_validation(labels, used, str(first.source), str(source), is_multi_label)
    used = [used[index] for index in _order_fairly([item.kind for item in used], seed)]
    return dataclasses.replace(
        _make_training_set(labels, used, is_multi_label),
        background=BACKGROUND if has_background and not is_multi_label else None,
        unlabeled=unlabeled,
        test_counts=Counter(labels.index(label) for item in items if item.split == "test" for label in item.labels),
        # Ignore invalid label names, which do not matter for background pictures.
        problem_count=sum(1 for one in opened for problem in one.problems if problem.kind not in _NO_FILES),
        left_out=roles.left_out,
        test_pictures=sum(item.split == "test" for item in items),
        shared_pictures=0 if validation is None else count_shared_files(first.for_training, opened[1].examples),
    )


def _make_background_items(
    negatives: Sequence[Example], items: Sequence[_Item], seed: int, is_multi_label: bool
) -> list[_Item]:
    """Return the background pictures; some validate if pictures of labels do."""
    own = () if is_multi_label else (BACKGROUND,)
    has_validation = any(item.split == "validation" for item in items)
    return [
        _Item(
            example,
            BACKGROUND,
            example.split or (_draw_split(example, seed) if has_validation else "train"),
            own,
            ("background", recording),
        )
        for example, recording in zip(negatives, list_recordings(negatives), strict=True)
    ]


def _make_training_set(labels: tuple[str, ...], used: Sequence[_Item], is_multi_label: bool) -> TrainingSet:
    """Return the pictures with their targets; what concerns the whole datasets is not filled in."""
    indexes = {label: index for index, label in enumerate(labels)}
    membership = None
    if is_multi_label:
        membership = np.array([[label in item.labels for label in labels] for item in used], bool)
    return TrainingSet(
        labels=labels,
        background=None,
        pictures=tuple(item.example for item in used),
        targets=np.array([indexes[item.label] if item.labels else -1 for item in used], np.intp),
        is_validation=np.array([item.split == "validation" for item in used], bool),
        unlabeled=0,
        test_counts={},
        problem_count=0,
        membership=membership,
        group_numbers=_number_groups([item.group for item in used]),
    )


def require_enough(training_set: TrainingSet, kept: np.ndarray, unreadable: int, left_out: int) -> None:
    """Raise an error if too few pictures of a training set are left after extraction.

    Args:
        training_set: The training set.
        kept: The indexes of the pictures that are left.
        unreadable: The number of pictures that could not be read.
        left_out: The number of pictures that were not processed in time.

    Raises:
        TrainingError: Labels lack pictures; the message lists them and gives the reason.
    """
    validates = training_set.is_validation[kept]
    counts = training_set.count_labels(kept) + Counter(training_set.test_counts)
    train_counts = training_set.count_labels(kept[~validates])
    needs_validation = training_set.membership is not None
    can_validate = bool((validates & ~training_set.is_background[kept]).any())
    is_insufficient = any(train_counts[index] < 2 for index in range(len(training_set.labels)))
    is_insufficient = is_insufficient or (needs_validation and not can_validate)
    if left_out and is_insufficient:
        raise TrainingError(
            f"the budget is too short: {left_out} pictures were not processed in time; increase the budget"
        )
    if left_out:
        return
    lost = f"{unreadable} pictures could not be read, and " if unreadable else ""
    few = [
        f"{label} ({counts[index]})" for index, label in enumerate(training_set.labels) if counts[index] < MIN_PICTURES
    ]
    if few:
        raise TrainingError(
            f"{lost}fewer than {MIN_PICTURES} are left of {', '.join(few)}; add more, or remove the label"
        )
    if is_insufficient:
        raise TrainingError(f"{lost}too few are left for training and validation; add more")


def _label_items(dataset: Dataset, groups: Sequence[str | int]) -> Iterator[_Item]:
    counts = Counter(label for example in dataset.examples for label in example.labels)
    for example, group in zip(dataset.examples, groups, strict=True):
        rarest = min(example.labels, key=lambda label: (counts[label], label))
        yield _Item(example, rarest, example.split, example.labels, ("dataset", group))


def _assign_all_splits(dataset: Dataset, seed: int, scans: Sequence[PictureScan], has_test: bool) -> Dataset:
    """Return the dataset with a split for every picture that has none: train, or test for a tenth if it is wanted.

    With several labels on a picture, a tenth validates if nothing else does.
    """
    shares = (0.8, 0.1, 0.1) if has_test else (1.0, 0.0, 0.0)
    assigned = assign_splits(dataset, seed, shares, scans=scans)
    examples = list(assigned.examples)
    for index, example in enumerate(examples):
        # The shares are those of `evaluate --split test`, so that it selects the same test pictures.
        if example.split == "validation" and dataset.examples[index].split is None:
            examples[index] = dataclasses.replace(example, split="train")
    if dataset.is_multi_label and not any(example.split == "validation" for example in examples):
        indexes = [index for index, example in enumerate(examples) if example.split == "train"]
        free = tuple(dataclasses.replace(examples[index], split=None) for index in indexes)
        part = dataclasses.replace(assigned, examples=free)
        shares = 1 - _VALIDATION_SHARE, _VALIDATION_SHARE, 0.0
        divided = assign_splits(part, seed, shares, [scans[index] for index in indexes])
        for index, example in zip(indexes, divided.examples, strict=True):
            examples[index] = example
    return dataclasses.replace(assigned, examples=tuple(examples))


def _combine(first: Dataset, second: Dataset, scans: Sequence[PictureScan]) -> list[_Item]:
    """Use all pictures of the second dataset for validation, regardless of their splits, except its test pictures."""
    if fault := second.misreading:
        raise TrainingError(f"{second.source} cannot be understood: {fault.message}")
    if not second.examples:
        raise TrainingError(f"{second.source} has no picture with a label; --validation needs labeled pictures")
    for label in second.labels:
        if label not in first.labels:
            raise TrainingError(f"{second.source} has the label {label!r}, which {first.source} lacks; remove it")
    groups = group_near_duplicates(scans, divide_sole_recordings(first.examples, list_recordings(first.examples)))
    train = [dataclasses.replace(item, split=item.split or "train") for item in _label_items(first, groups.tolist())]
    validation = [
        dataclasses.replace(
            item, split="test" if item.split == "test" else "validation", group=("validation", item.group[1])
        )
        for item in _label_items(second, list_recordings(second.examples))
    ]
    return train + validation


def _number_groups(keys: Sequence[tuple[str, str | int]]) -> np.ndarray:
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], np.intp)


def _require_train_and_validation(
    labels: Sequence[str], used: Sequence[_Item], display_name: str, background_name: str, is_multi_label: bool
) -> None:
    counts = Counter(label for item in used if item.split != "validation" for label in item.labels)
    if lacking := [label for label in labels if counts[label] < 2]:
        if lacking == [BACKGROUND]:
            raise TrainingError(
                f"{background_name} has fewer than 2 background pictures for training; add at least {MIN_PICTURES}"
            )
        raise TrainingError(
            f"{display_name} has fewer than 2 training pictures of {', '.join(lacking)}; its splits leave no more"
        )
    if is_multi_label and not any(item.split == "validation" and item.label != BACKGROUND for item in used):
        raise TrainingError(
            f"{display_name} has no validation pictures; mark some as VALIDATION, or pass a dataset with --validation"
        )


def _draw_split(example: Example, seed: int) -> Split:
    name = find_recording(example.key) or example.name
    drawn = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "big") / 2**64
    return "validation" if drawn < _BACKGROUND_VALIDATION_SHARE else "train"


def _order_fairly(groups: Sequence[tuple[str, bool]], seed: int) -> list[int]:
    """Return the indexes in an order in which the first ones, however many, have about the same share of each group."""
    members: dict[tuple[str, bool], list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    random = np.random.default_rng(seed)
    ranked = []
    for group in sorted(members):
        shuffled = random.permutation(members[group]).tolist()
        ranked += [((rank + 0.5) / len(shuffled), group, index) for rank, index in enumerate(shuffled)]
    return [index for _, _, index in sorted(ranked)]
