"""Assign the pictures of a dataset to the splits train, validation, and test.

Existing splits are kept. The other pictures are assigned so that each label has its share in each split, and so that
near duplicates and the pictures of one recording (see recordings.py) are in the same split. The same pictures with the
same seed get the same splits, regardless of their order.

A label with few recordings cannot have its exact shares: two recordings are one for training and one, the smaller, for
validation; the third is for the test. A label with a single recording is divided within it, because there would be no
training otherwise; then its figures are too good (see recordings.list_sole_recordings).
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence

from appliance.workshop.datasets.dataset import Dataset, Example
from appliance.workshop.datasets.duplicates import PictureScan, group_near_duplicates, scan_pictures
from appliance.workshop.datasets.recordings import divide_sole_recordings, list_recordings
from appliance.workshop.datasets.split_names import SPLITS, Split


def assign_splits(
    dataset: Dataset,
    seed: int = 0,
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    scans: Sequence[PictureScan] | None = None,
) -> Dataset:
    """Return the dataset with a split for every labeled picture.

    If every picture already has a split, nothing is read. If a picture in a group of near duplicates has a split, the
    whole group gets this split (if there are several, the first of train, validation, and test).

    Args:
        dataset: Some or all of its pictures may have a split.
        seed: Selects the random assignment.
        shares: The shares of train, validation, and test; they add up to 1.
        scans: The result of scan_pictures(dataset.examples), if it is already known.

    Returns:
        The dataset with the new splits in `examples`, in the same order.
    """
    examples = dataset.examples
    if all(example.split is not None for example in examples):
        return dataset
    scans = scan_pictures(examples) if scans is None else scans
    groups: dict[int, list[int]] = {}
    recordings = divide_sole_recordings(examples, list_recordings(examples))
    for index, group in enumerate(group_near_duplicates(scans, recordings)):
        groups.setdefault(int(group), []).append(index)
    assigner = _SplitAssigner(examples, shares)
    open_groups = []
    for indexes in groups.values():
        given = [split for split in SPLITS if any(examples[index].split == split for index in indexes)]
        if given:
            assigner.assign(indexes, given[0])
        else:
            key = min(_shuffle_key(examples[index], scans[index], seed) for index in indexes)
            open_groups.append((-len(indexes), key, indexes))
    for _, _, indexes in sorted(open_groups):
        assigner.assign(indexes, assigner.find_neediest_split(indexes))
    needed = [split for split, share in zip(SPLITS, shares, strict=True) if share > 0 and split != "train"]
    assigner.fill_empty_splits([indexes for _, _, indexes in sorted(open_groups, reverse=True)], needed)
    return dataclasses.replace(dataset, examples=tuple(assigner.examples))


def _shuffle_key(example: Example, scan: PictureScan, seed: int) -> bytes:
    """Return a sort key that shuffles pictures by their content, so that their names and order have no effect."""
    return hashlib.sha256(b"%d " % seed + (scan.sha256 or example.name.encode())).digest()


class _SplitAssigner:
    """Keep track of the assigned pictures, and of how many pictures of each label each split still needs."""

    def __init__(self, examples: Sequence[Example], shares: tuple[float, float, float]) -> None:
        self.examples = list(examples)
        totals = Counter(label for example in examples for label in example.labels)
        self._missing = {
            (label, split): total * share
            for label, total in totals.items()
            for split, share in zip(SPLITS, shares, strict=True)
        }

    def find_neediest_split(self, indexes: Sequence[int]) -> Split:
        """Return the split that needs the most pictures of these labels; the first one if several need the same."""
        labels = [label for index in indexes for label in self.examples[index].labels]
        return max(SPLITS, key=lambda split: sum(self._missing[label, split] for label in labels))

    def assign(self, indexes: Sequence[int], split: Split) -> None:
        """Assign pictures to a split; pictures that already have a split keep it."""
        for index in indexes:
            example = self.examples[index]
            if example.split is None:
                self.examples[index] = example = dataclasses.replace(example, split=split)
            for label in example.labels:
                self._missing[label, example.split or split] -= 1

    def fill_empty_splits(self, groups: Sequence[Sequence[int]], splits: Sequence[Split]) -> None:
        """Move a group from train to each split in which a label has no picture, if train keeps one of the label.

        Args:
            groups: The indexes of the groups that may be moved, the first ones first.
            splits: The splits that each label needs, the most important one first.
        """
        counts = Counter((label, example.split) for example in self.examples for label in example.labels)
        by_label: dict[str, list[Sequence[int]]] = {}
        for group in groups:
            for label in {label for index in group for label in self.examples[index].labels}:
                by_label.setdefault(label, []).append(group)
        for label in sorted(by_label):
            for split in splits:
                if counts[label, split]:
                    continue
                group = next((each for each in by_label[label] if self._can_leave_train(each, counts)), ())
                for index in group:
                    example = self.examples[index]
                    self.examples[index] = dataclasses.replace(example, split=split)
                    counts.subtract((each, example.split) for each in example.labels)
                    counts.update((each, split) for each in example.labels)

    def _can_leave_train(self, group: Sequence[int], counts: Counter[tuple[str, Split | None]]) -> bool:
        """Return whether a group is in train, and train has other pictures of all labels of the group."""
        inside = [self.examples[index] for index in group]
        own = Counter(label for example in inside for label in example.labels)
        is_train = all(example.split == "train" for example in inside)
        return is_train and all(counts[label, "train"] > count for label, count in own.items())
