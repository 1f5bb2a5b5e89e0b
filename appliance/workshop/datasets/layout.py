"""What the folders of a dataset mean: one folder a label, perhaps below TRAIN, VALIDATION and TEST, perhaps all in one folder.

AutoML's structured form is LABEL/picture. Three things that people hand in beside it are read as they are meant: a zip
of the folder that holds the label folders, label folders below two or more of train, validation, test and unassigned (that is
how `appliance dataset pack` keeps splits), and pictures that lie beside the label folders, which are unlabeled. A single
TRAIN, VALIDATION or TEST is a split too where it is written like that and all its pictures lie in folders of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from appliance.workshop.datasets.dataset import SPLITS, Split

UNASSIGNED = "unassigned"

_SPLIT_WORDS: dict[str, Split] = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "validate": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PathMeaning:
    """What a picture's folders say of it."""

    label: str | None
    split: Split | None


def split_word(word: str) -> Split | None:
    """The split that a word stands for (TRAIN, val, …), None for any other word."""
    return _SPLIT_WORDS.get(word.strip().lower())


def places(names: Sequence[str], lost: Sequence[str] = ()) -> list[PathMeaning]:
    """What the folders of each picture say, in the same order.

    Args:
        names: Paths below the dataset's folder, with slashes.
        lost: Paths of pictures that cannot be taken, whose places follow; they have no say in what the folders mean.
    """
    folders = [PurePosixPath(name).parent.parts for name in names]
    more = [PurePosixPath(name).parent.parts for name in lost]
    tops = {parts[0] if parts else "" for parts in folders}
    if not _are_splits(folders) and len(tops) == 1 and "" not in tops and any(len(parts) > 1 for parts in folders):
        folders = [parts[1:] for parts in folders]  # the folder around all of it
        more = [parts[1:] if parts[:1] == (*tops,) else () for parts in more]
    as_splits = _are_splits(folders)
    folders += more
    if as_splits:
        return [
            PathMeaning(parts[1] if len(parts) > 1 else None, split_word(parts[0]) if parts else None)
            for parts in folders
        ]
    return [PathMeaning(parts[0] if parts else None, None) for parts in folders]


def _are_splits(folders: Sequence[tuple[str, ...]]) -> bool:
    """Whether the top folders are splits and not labels."""
    below = [parts for parts in folders if parts]
    words = {parts[0] for parts in below}
    if len({word.lower() for word in words}) == 1:
        # A label may be called train, but hardly TRAIN with nothing but folders in it.
        return words <= {split.upper() for split in SPLITS} and all(len(parts) > 1 for parts in below)
    return all(split_word(word) or word.lower() == UNASSIGNED for word in words) and any(
        len(parts) > 1 for parts in below
    )
