"""Deals the pictures of a dataset out to train, validation and test.

Splits that somebody gave are kept. The others are made so that each label has its share in each split, near duplicates
lie on one side, and the same pictures with the same seed are dealt the same way, in whatever order they are listed.
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence

from appliance.workshop.datasets.dataset import SPLITS, Dataset, Example, Split
from appliance.workshop.datasets.duplicates import PictureScan, look, near_groups


def with_splits(
    dataset: Dataset,
    seed: int = 0,
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    looks: Sequence[PictureScan] | None = None,
) -> Dataset:
    """The dataset with a split for every labeled picture.

    Where every picture has one already, nothing is read. A group of near duplicates that has a picture with a given
    split follows it (train, where it has several).

    Args:
        dataset: Some or all of its pictures may have a split.
        seed: Another one deals differently.
        shares: Of train, validation and test; they add up to 1.
        looks: What `duplicates.look` found in dataset.examples, where that is known already.

    Returns:
        The same dataset with other `examples`, in the same order.
    """
    examples = dataset.examples
    if all(example.split is not None for example in examples):
        return dataset
    looks = look(examples) if looks is None else looks
    members: dict[int, list[int]] = {}
    for place, group in enumerate(near_groups(looks)):
        members.setdefault(int(group), []).append(place)
    dealt = _SplitAssigner(examples, shares)
    waiting = []
    for places in members.values():
        given = [split for split in SPLITS if any(examples[place].split == split for place in places)]
        if given:
            dealt.put(places, given[0])
        else:
            waiting.append((-len(places), min(_lot(examples[place], looks[place], seed) for place in places), places))
    for _, _, places in sorted(waiting):
        dealt.put(places, dealt.neediest(places))
    return dataclasses.replace(dataset, examples=tuple(dealt.examples))


def _lot(example: Example, seen: PictureScan, seed: int) -> bytes:
    """A picture's place in the shuffled order: by its content, so that its name and its neighbours do not matter."""
    return hashlib.sha256(b"%d " % seed + (seen.sha256 or example.name.encode())).digest()


class _SplitAssigner:
    """The pictures dealt out so far, and what each label still lacks in each split."""

    def __init__(self, examples: Sequence[Example], shares: tuple[float, float, float]):
        self.examples = list(examples)
        totals = Counter(example.label for example in examples)
        self._lacks = {
            (label, split): total * share
            for label, total in totals.items()
            for split, share in zip(SPLITS, shares, strict=True)
        }

    def neediest(self, places: Sequence[int]) -> Split:
        """The split that lacks most of these pictures' labels; the first of equals."""
        labels = [self.examples[place].label for place in places]
        return max(SPLITS, key=lambda split: sum(self._lacks[label, split] for label in labels))

    def put(self, places: Sequence[int], split: Split) -> None:
        """Puts pictures into a split; those that were given another one stay there."""
        for place in places:
            example = self.examples[place]
            if example.split is None:
                self.examples[place] = example = dataclasses.replace(example, split=split)
            self._lacks[example.label, example.split] -= 1
