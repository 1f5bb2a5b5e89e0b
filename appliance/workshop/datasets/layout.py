"""Interpret the folders of a dataset: one folder per label, optionally inside TRAIN, VALIDATION, and TEST.

AutoML's structured form is LABEL/picture. Three common variations are read as intended: a zip of the folder that
contains the label folders; label folders inside two or more of train, validation, test, and unassigned (this is how
`appliance dataset pack` stores splits); and pictures next to the label folders, which are unlabeled. A single TRAIN,
VALIDATION, or TEST is also a split if it is written in capitals and all its pictures are in subfolders.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from appliance.workshop.datasets.split_names import SPLITS, Split

UNASSIGNED = "unassigned"

_SPLIT_WORDS: dict[str, Split] = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "validate": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PathMeaning:
    """The label and the split that a picture's folders specify."""

    label: str | None
    split: Split | None


def parse_split(word: str) -> Split | None:
    """Return the split that a word (TRAIN, val, …) names; None for any other word."""
    return _SPLIT_WORDS.get(word.strip().lower())


def classify_paths(names: Sequence[str], unusable: Sequence[str] = ()) -> list[PathMeaning]:
    """Return the label and split of each path, in the same order.

    Args:
        names: Paths relative to the dataset's folder, with slashes.
        unusable: Paths of unusable pictures. Their labels and splits are appended to the result, but they do not affect
            the interpretation of the folders.
    """
    folders = [PurePosixPath(name).parent.parts for name in names]
    unusable_folders = [PurePosixPath(name).parent.parts for name in unusable]
    tops = {parts[0] if parts else "" for parts in folders}
    if (
        not _has_split_folders(folders)
        and len(tops) == 1
        and "" not in tops
        and any(len(parts) > 1 for parts in folders)
    ):
        # One folder contains the whole dataset.
        folders = [parts[1:] for parts in folders]
        unusable_folders = [parts[1:] if parts[:1] == (*tops,) else () for parts in unusable_folders]
    has_splits = _has_split_folders(folders)
    folders += unusable_folders
    if has_splits:
        return [
            PathMeaning(parts[1] if len(parts) > 1 else None, parse_split(parts[0]) if parts else None)
            for parts in folders
        ]
    return [PathMeaning(parts[0] if parts else None, None) for parts in folders]


def _has_split_folders(folders: Sequence[tuple[str, ...]]) -> bool:
    """Return whether the top folders are splits rather than labels."""
    nested = [parts for parts in folders if parts]
    words = {parts[0] for parts in nested}
    if len({word.lower() for word in words}) == 1:
        # A label may be named train, but a label named TRAIN that contains only subfolders is very unlikely.
        return words <= {split.upper() for split in SPLITS} and all(len(parts) > 1 for parts in nested)
    return all(parse_split(word) or word.lower() == UNASSIGNED for word in words) and any(
        len(parts) > 1 for parts in nested
    )
