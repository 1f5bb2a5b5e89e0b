"""Assign the pictures of a dataset to the splits train, validation, and test.

Existing splits are kept. The other pictures are assigned so that each label has its share in each split and near
duplicates are in the same split. The same pictures with the same seed get the same splits, regardless of their order.
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence

from appliance.workshop.datasets.dataset import Dataset, Example
from appliance.workshop.datasets.duplicates import PictureScan, group_near_duplicates, scan_pictures
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
    for index, group in enumerate(group_near_duplicates(scans)):
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
    return dataclasses.replace(dataset, examples=tuple(assigner.examples))


def _shuffle_key(example: Example, scan: PictureScan, seed: int) -> bytes:
    """Return a sort key that shuffles pictures by their content, so that their names and order have no effect."""
    return hashlib.sha256(b"%d " % seed + (scan.sha256 or example.name.encode())).digest()


class _SplitAssigner:
    """Keep track of the assigned pictures, and of how many pictures of each label each split still needs."""

    def __init__(self, examples: Sequence[Example], shares: tuple[float, float, float]) -> None:
        self.examples = list(examples)
        totals = Counter(example.label for example in examples)
        self._missing = {
            (label, split): total * share
            for label, total in totals.items()
            for split, share in zip(SPLITS, shares, strict=True)
        }

    def find_neediest_split(self, indexes: Sequence[int]) -> Split:
        """Return the split that needs the most pictures of these labels; the first one if several need the same."""
        labels = [self.examples[index].label for index in indexes]
        return max(SPLITS, key=lambda split: sum(self._missing[label, split] for label in labels))

    def assign(self, indexes: Sequence[int], split: Split) -> None:
        """Assign pictures to a split; pictures that already have a split keep it."""
        for index in indexes:
            example = self.examples[index]
            if example.split is None:
                self.examples[index] = example = dataclasses.replace(example, split=split)
            self._missing[example.label, example.split or split] -= 1
