"""Select the pictures of a dataset for an evaluation, if possible those on which the model was not trained.

By default, this is the test split, otherwise the validation split, otherwise all pictures. If a subset is requested by
name and the dataset has no splits, they are assigned in the same way as by `train --test`: with the same seed, the test
split contains the pictures that training set aside.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from appliance.bundle.bundle import Bundle
from appliance.errors import DatasetError
from appliance.workshop.datasets.dataset import Dataset, Example
from appliance.workshop.datasets.split_assignment import assign_splits
from appliance.workshop.datasets.split_names import Split, Subset


@dataclass(frozen=True, slots=True)
class PictureSelection:
    """The selected pictures.

    Attributes:
        dataset: Their dataset.
        pictures: The pictures.
        subset: The name of the subset; never auto.
        notes: Notes for the user about the selection.
    """

    dataset: Dataset
    pictures: tuple[Example, ...]
    subset: Subset
    notes: tuple[str, ...] = ()


def select_pictures(dataset: Dataset, subset: Subset, seed: int) -> PictureSelection:
    """Select the labeled pictures of a dataset.

    Args:
        dataset: The opened dataset.
        subset: auto, or the name of the subset.
        seed: The seed of the splits, if the dataset has none.

    Raises:
        DatasetError: The subset is empty, or the folders have several meanings.
    """
    if fault := dataset.misreading:
        raise DatasetError(f"{dataset.source} cannot be understood: {fault.message}")
    if not dataset.examples:
        raise DatasetError(f"{dataset.source} has no labeled picture; put the pictures into one folder per label")
    notes = []
    if dataset.unlabeled:
        notes.append(f"{len(dataset.unlabeled)} pictures have no label and are not used")
    if subset == "auto":
        subset = _choose_subset(example.split for example in dataset.examples)
        if subset == "all":
            notes.append(
                f"{dataset.source} has no splits, so all its pictures are used; if the model was trained on some of "
                "them, the figures are too good; --split test selects the pictures that `appliance train --test` set "
                "aside"
            )
        elif subset == "validation":
            notes.append(f"{dataset.source} has no test split, so its validation pictures are used")
    if subset == "all":
        return PictureSelection(dataset, tuple(dataset.examples), subset, tuple(notes))
    pictures = tuple(example for example in assign_splits(dataset, seed).examples if example.split == subset)
    if not pictures:
        raise DatasetError(f"{dataset.source} has no {subset} pictures; choose others with --split")
    return PictureSelection(dataset, pictures, subset, tuple(notes))


def note_known_pictures(selection: PictureSelection, bundle: Bundle) -> Iterator[str]:
    """Yield a note if the splits of the dataset were made now, and the model was trained without a test part.

    Args:
        selection: The selected pictures.
        bundle: The model.
    """
    has_splits = all(example.split is not None for example in selection.dataset.examples)
    record = bundle.provenance
    if has_splits or selection.subset == "all" or record is None or not record.pictures:
        return
    if selection.subset != "test" or not record.test:
        yield (
            f"{bundle.source} was trained without a {selection.subset} part, so if it was trained on "
            f"{selection.dataset.source}, it knows these pictures, and the figures are too good; train with --test and "
            "evaluate with --split test, or use other pictures"
        )


def select_background(dataset: Dataset) -> PictureSelection:
    """Select the pictures of a background dataset, labeled or not."""
    pictures = (*dataset.examples, *dataset.unlabeled)
    subset = _choose_subset(example.split for example in pictures)
    if subset == "all":
        return PictureSelection(dataset, pictures, subset)
    note = f"only the {subset} pictures of the background dataset are used"
    return PictureSelection(dataset, tuple(each for each in pictures if each.split == subset), subset, (note,))


def _choose_subset(splits: Iterable[Split | None]) -> Subset:
    available = set(splits)
    if "test" in available:
        return "test"
    return "validation" if "validation" in available else "all"
