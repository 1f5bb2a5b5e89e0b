"""Which pictures of a dataset are evaluated: those that the model has not learned from, as far as the dataset tells.

The test split where the dataset has one, else the validation split, else all of it. A part that is asked for by name
in a dataset without splits is dealt out as `train` deals it: with the same seed it is what training kept aside.
"""

from typing import Literal

from appliance.errors import DatasetError
from appliance.workshop.datasets.dataset import Dataset, Example, Split
from appliance.workshop.datasets.splits import with_splits

Subset = Literal["auto", "test", "validation", "train", "all"]
PARTS: tuple[Subset, ...] = ("auto", "test", "validation", "train", "all")


def chosen_pictures(dataset: Dataset, part: Subset, seed: int) -> tuple[list[Example], Subset, list[str]]:
    """The pictures to evaluate.

    Args:
        dataset: Opened.
        part: auto, or one that is wanted.
        seed: Of the splits, where the dataset has none.

    Returns:
        The pictures, which part they are, and what is to be said of that, a sentence each.

    Raises:
        DatasetError: There are no such pictures.
    """
    if not dataset.examples:
        raise DatasetError(
            f"{dataset.source} has no picture with a label: put the pictures into a folder for each label."
        )
    notes = []
    if dataset.unlabeled:
        notes.append(f"{len(dataset.unlabeled)} pictures have no label and were left aside.")
    if part == "auto":
        part = _preferred({example.split for example in dataset.examples})
        if part == "all":
            notes.append(
                f"{dataset.source} has no splits, so all its pictures are taken. If the model learned from some of them, these "
                "figures flatter it: --split test takes those that `appliance train` keeps aside."
            )
        elif part == "validation":
            notes.append(f"{dataset.source} has no test split, so its validation pictures are taken.")
    if part == "all":
        return list(dataset.examples), part, notes
    examples = [example for example in with_splits(dataset, seed).examples if example.split == part]
    if not examples:
        raise DatasetError(f"{dataset.source} has no {part} pictures: choose others with --split.")
    return examples, part, notes


def background_pictures(dataset: Dataset) -> tuple[list[Example], Subset]:
    """The pictures of a background dataset that are looked at, and which part of it they are."""
    pictures = [*dataset.examples, *dataset.unlabeled]
    part = _preferred({example.split for example in pictures})
    return [example for example in pictures if part in ("all", example.split)], part


def _preferred(splits: set[Split | None]) -> Subset:
    return next((split for split in ("test", "validation") if split in splits), "all")
