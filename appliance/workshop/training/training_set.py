"""The pictures of a training: which are learned from, which choose between heads, and what each of them shows.

Built from one dataset with splits, or from two (a second one to validate on), and background pictures where given.
The pictures come in an order in which every beginning is a fair sample of the whole: the same share of each label,
of training and of validation. So a training that must stop early for lack of time has still seen a bit of everything.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.errors import TrainingError
from appliance.workshop.datasets.dataset import MIN_PICTURES, Dataset, Example
from appliance.workshop.datasets.open import open_dataset, require_trainable
from appliance.workshop.datasets.splits import assign_splits

BACKGROUND = "background"
_BACKGROUND_VALIDATION = 0.2


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Pictures with what they are for.

    Attributes:
        labels: In the order of the model's output.
        background: The label of background pictures, one of `labels`; None where there are none.
        pictures: In the fair order.
        targets: (pictures,) numbers of labels.
        validates: (pictures,) bool: chooses, is not learned from.
        unlabeled: How many pictures without a label were left aside.
        tests: How many pictures of each label were kept for a test, by number.
        problems: How many files of the datasets were not taken.
    """

    labels: tuple[str, ...]
    background: str | None
    pictures: tuple[Example, ...]
    targets: np.ndarray
    validates: np.ndarray
    unlabeled: int
    tests: Mapping[int, int]
    problems: int

    @property
    def is_background(self) -> np.ndarray:
        """(pictures,) bool."""
        return (
            self.targets == self.labels.index(self.background) if self.background else np.zeros(len(self.targets), bool)
        )


def build_training_set(
    dataset: str | Path, validation: str | Path | None, background: str | Path | None, gs: Mapping[str, Path], seed: int
) -> TrainingSet:
    """Opens the datasets of a training.

    Args:
        dataset: What is learned.
        validation: Pictures to choose by; None: a part of the dataset.
        background: Pictures of none of the labels; their own labels do not matter. None: there are none.
        gs: As open_dataset has it.
        seed: Of splits and order.

    Raises:
        DatasetError: A dataset cannot be read or is not fit to be learned from.
        TrainingError: The datasets do not fit together.
    """
    learned = open_dataset(dataset, gs)
    require_trainable(learned)
    opened = [learned]
    if validation is None:
        chosen = [(example, example.label, example.split) for example in assign_splits(learned, seed).examples]
    else:
        second = open_dataset(validation, gs)
        opened.append(second)
        chosen = _both(learned, second)
    labels = learned.labels
    if background is not None:
        others = open_dataset(background, gs)
        opened.append(others)
        chosen += [
            (example, BACKGROUND, example.split or _lot(example.name, seed))
            for example in (*others.examples, *others.unlabeled)
        ]
        labels = (*(label for label in labels if label != BACKGROUND), BACKGROUND)
    used = [(example, label, split == "validation") for example, label, split in chosen if split != "test"]
    _require_both(labels, used, str(learned.source), str((learned if background is None else opened[-1]).source))
    used = [used[place] for place in _fair_order([(label, validates) for _, label, validates in used], seed)]
    return TrainingSet(
        labels=labels,
        background=BACKGROUND if background is not None else None,
        pictures=tuple(example for example, _, _ in used),
        targets=np.array([labels.index(label) for _, label, _ in used], np.intp),
        validates=np.array([validates for _, _, validates in used], bool),
        unlabeled=sum(len(one.unlabeled) for one in opened[: 2 if validation is not None else 1]),
        tests=Counter(labels.index(label) for _, label, split in chosen if split == "test"),
        # Of background pictures the labels do not matter, however they are called.
        problems=sum(
            1 for one in opened for problem in one.problems if problem.kind not in ("passed_over", "wrong_name")
        ),
    )


def require_enough(pictures: TrainingSet, kept: np.ndarray, unreadable: int, left_out: int) -> None:
    """Says no where too little is left of a training set once it was looked at.

    Args:
        pictures: The training set.
        kept: The places of the pictures that are left.
        unreadable: How many could not be read.
        left_out: How many there was no time for.

    Raises:
        TrainingError: It names the labels that lack pictures, and why they do.
    """
    targets, validates = pictures.targets[kept], pictures.validates[kept]
    counts, learned = Counter(targets.tolist()) + Counter(pictures.tests), Counter(targets[~validates].tolist())
    judged = validates & ~pictures.is_background[kept]
    lacking = any(learned[number] < 2 for number in range(len(pictures.labels))) or not judged.any()
    if left_out and lacking:
        raise TrainingError(
            f"The budget is too short: {left_out} pictures were not looked at in time; allow more seconds."
        )
    if left_out:
        return
    lost = f"{unreadable} pictures could not be read, and " if unreadable else ""
    if few := [f"{label} ({counts[n]})" for n, label in enumerate(pictures.labels) if counts[n] < MIN_PICTURES]:
        raise TrainingError(
            f"{lost}fewer than {MIN_PICTURES} are left of {', '.join(few)}: add some, or leave the label out."
        )
    if lacking:
        raise TrainingError(f"{lost}the others do not suffice to learn and to validate: add some.")


def _both(learned: Dataset, second: Dataset) -> list[tuple[Example, str, str]]:
    for label in second.labels:
        if label not in learned.labels:
            raise TrainingError(
                f"{second.source} has the label {label!r}, which {learned.source} does not teach: leave it out."
            )
    first = [(example, example.label, example.split or "train") for example in learned.examples]
    # All of it validates, however it was split itself, except what is kept for a test.
    return first + [
        (example, example.label, "test" if example.split == "test" else "validation") for example in second.examples
    ]


def _require_both(
    labels: Sequence[str], used: Sequence[tuple[Example, str, bool]], shown: str, background: str
) -> None:
    learned = Counter(label for _, label, validates in used if not validates)
    if lacking := [label for label in labels if learned[label] < 2]:
        if lacking == [BACKGROUND]:
            few = f"{background} has fewer than 2 pictures to learn as background"
            raise TrainingError(f"{few}: add some, {MIN_PICTURES} at least.")
        raise TrainingError(
            f"{shown} has fewer than 2 pictures to learn {', '.join(lacking)} from: its splits leave no more."
        )
    if not any(validates and label != BACKGROUND for _, label, validates in used):
        raise TrainingError(
            f"{shown} has no pictures to validate on: mark some VALIDATION, or name a dataset with --validation."
        )


def _lot(name: str, seed: int) -> str:
    drawn = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "big") / 2**64
    return "validation" if drawn < _BACKGROUND_VALIDATION else "train"


def _fair_order(groups: Sequence[tuple[str, bool]], seed: int) -> list[int]:
    """The places of all members, so that every beginning has about the same share of each group."""
    members: dict[tuple[str, bool], list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    random = np.random.default_rng(seed)
    ordered = []
    for group in sorted(members):
        shuffled = random.permutation(members[group]).tolist()
        ordered += [((rank + 0.5) / len(shuffled), group, place) for rank, place in enumerate(shuffled)]
    return [place for _, _, place in sorted(ordered)]
