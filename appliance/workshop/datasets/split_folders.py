"""Recognize the names of folders for splits, such as train, training_set, seg_train, train_cat, and catTest."""

import re
from collections.abc import Sequence

from appliance.workshop.datasets.split_names import Split

UNASSIGNED = "unassigned"

SPLIT_WORDS: dict[str, Split] = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "validate": "validation",
    "dev": "validation", "development": "validation", "eval": "validation", "evaluation": "validation",
    "test": "test", "testing": "test", "holdout": "test",
}  # fmt: skip
# Pictures without labels, on which a model was tried.
_UNLABELED_WORDS = {"pred", "predict", "prediction", "predictions", "unlabeled", "unlabelled", "inference"}
# Folders for pictures that were not labeled yet; no_label is CVAT's.
_UNLABELED_FOLDERS = {"unlabeled", "unlabelled", "unassigned", "unsorted", "no_label", "nolabel"}
# Words beside the name of a split in the name of a folder.
NOISE_WORDS = {
    "set", "seg", "data", "dataset", "images", "image", "imgs", "img", "pictures", "photos", "pics", "split", "folder",
    "my", "the",
}  # fmt: skip
_WORD = "(?P<split>(?i:" + "|".join(sorted(SPLIT_WORDS, key=len, reverse=True)) + "))"
_SPLIT_FIRST = re.compile(_WORD + r"(?:[-_. ]+|(?<=[a-z])(?=[A-Z]))(?P<label>.+)")
_SPLIT_LAST = re.compile(r"(?P<label>.+?)(?:[-_. ]+|(?<=[a-z])(?=[A-Z]))" + _WORD)


def parse_split(word: str) -> Split | None:
    """Return the split that a word (TRAIN, val, …) names; None for any other word."""
    return SPLIT_WORDS.get(word.strip().lower())


def parse_split_folder(name: str) -> str | None:
    """Return the split that the name of a folder contains, "unassigned" for other pictures, or None for other names."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    words = [word for word in words if word not in NOISE_WORDS]
    if len(words) != 1:
        return None
    word = words[0] if words[0] in SPLIT_WORDS else re.sub(r"(set|data|images|imgs)$", "", words[0])
    if word == UNASSIGNED or word in _UNLABELED_WORDS:
        return UNASSIGNED
    return SPLIT_WORDS.get(word)


def is_unlabeled_folder(name: str) -> bool:
    """Return whether the name of a folder states that its pictures have no label yet."""
    return re.sub(r"[^a-z]+", "_", name.lower()).strip("_") in _UNLABELED_FOLDERS


def divide_names(tops: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the split and the label of folders such as train_cat and test_cat; empty if not all are named so."""
    divided = {top: divide_name(top) for top in tops}
    owners: dict[str, set[Split]] = {}
    for split, label in filter(None, divided.values()):
        owners.setdefault(label, set()).add(SPLIT_WORDS[split])
    if None in divided.values() or not any(len(splits) > 1 for splits in owners.values()):
        return {}
    return {top: parts for top, parts in divided.items() if parts is not None}


def divide_name(name: str) -> tuple[str, str] | None:
    """Return the word of a split at the beginning or the end of a name, and the rest; None for any other name."""
    match = None if parse_split_folder(name) else _SPLIT_FIRST.fullmatch(name) or _SPLIT_LAST.fullmatch(name)
    return (match["split"].lower(), match["label"]) if match else None
