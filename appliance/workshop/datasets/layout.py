"""Interpret the folders of a dataset: one folder per label, optionally inside or around folders for the splits.

AutoML's structured form is LABEL/picture. Common variations are read as intended:

- folders around the whole dataset, however many, also beside loose pictures, which are unlabeled
- SPLIT/LABEL/picture with the usual names of splits (train, training_set, seg_train, dev, eval, test1, …), also with a
  folder of the same name inside (seg_train/seg_train/LABEL), or with one for pictures (train/images/LABEL)
- LABEL/SPLIT/picture
- SPLIT/LABEL.number.jpg, as Edge Impulse and Kaggle name pictures
- a word that all folders of splits share (animals-train, animals-test)
- SPLIT_LABEL/picture or LABEL_SPLIT/picture (train_cat, test_cat, trainA), if a label is in several splits
- a folder for pictures inside of each label (LABEL/images/picture)

A single TRAIN, VALIDATION, or TEST is a split if it is written in capitals and all its pictures are in subfolders. What
has several meanings is a problem: two labels with the same subfolders, labels that are named like splits, and folders
that are rather parts of one (images_part_1, 100CANON, 2026-11-30).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from appliance.workshop.datasets.problems import Problem, ProblemKind
from appliance.workshop.datasets.split_folders import (
    NOISE_WORDS,
    SPLIT_WORDS,
    UNASSIGNED,
    divide_name,
    divide_names,
    is_unlabeled_folder,
    parse_split_folder,
)
from appliance.workshop.datasets.split_names import SPLITS, Split

_LISTED = 5

_PICTURE_FOLDERS = {"images", "image", "imgs", "img", "pictures", "photos", "pics", "data", "jpg", "jpeg", "png"}
# Words of numbered folders into which pictures of all labels were divided, such as images_1 and images_2.
_PART_WORDS = {"images", "image", "imgs", "img", "pictures", "photos", "pics", "batch", "chunk", "shard", "folder"}
_CAMERA_FOLDER = re.compile(r"\d{3}[A-Z0-9_]{5}")  # as DCIM/100CANON (DCF, JEITA CP-3461)
_DAY = re.compile(r"(19|20)\d\d[-_. ]?(0[1-9]|1[0-2])[-_. ]?([0-2]\d|3[01])")
_LABEL_IN_NAME = re.compile(r"([^.]+)\..+\.[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class PathMeaning:
    """The label and the split that a picture's folders specify; an index may give `others`, more labels."""

    label: str | None
    split: Split | None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """The meaning of each path, in the order of the paths, and what is ambiguous or not used."""

    meanings: list[PathMeaning]
    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class _Path:
    """The folders of a picture that are not yet interpreted, and its file name."""

    folders: tuple[str, ...]
    name: str

    @property
    def top(self) -> str:
        """The outermost folder."""
        return self.folders[0] if self.folders else ""


def classify_paths(names: Sequence[str], unusable: Sequence[str] = ()) -> list[PathMeaning]:
    """Return the label and split of each path (see read_layout)."""
    return read_layout(names, unusable).meanings


def read_layout(names: Sequence[str], unusable: Sequence[str] = ()) -> Layout:
    """Return the label and split of each path, in the same order, and the problems of the layout.

    Args:
        names: Paths relative to the dataset's folder, with slashes.
        unusable: Paths of unusable pictures. Their labels and splits are appended to the result, but they do not affect
            the interpretation of the folders.
    """
    paths, others = _parse_paths(names), _parse_paths(unusable)
    while (wrapper := _find_wrapper(paths)) is not None:
        paths = [_remove_top(path, wrapper) for path in paths]
        others = [_remove_top(path, wrapper) for path in others]
    paths, others = _rename_splits(paths, others)
    if _has_split_folders(paths):
        return _read_split_folders(paths, others)
    if _has_splits_in_labels(paths):
        meanings = [
            PathMeaning(_as_label(path.top), _as_split(path.folders[1]) if len(path.folders) > 1 else None)
            for path in [*paths, *others]
        ]
        return Layout(meanings, [])
    problems = [*_find_split_labels(paths), *_find_parts(paths), *_find_subfolders(paths)]
    return Layout([PathMeaning(_as_label(path.top), None) for path in [*paths, *others]], problems)


def _rename_splits(paths: list[_Path], others: list[_Path]) -> tuple[list[_Path], list[_Path]]:
    """Give folders of splits that share a word (animals-train, animals-test) the names of the splits alone."""
    words: dict[str, list[str]] = {}
    for top in {path.top for path in paths} - {""}:
        words[top] = [word for word in re.split(r"[^a-z]+", top.lower()) if word and word not in NOISE_WORDS]
    splits = {top: [word for word in own if word in SPLIT_WORDS] for top, own in words.items()}
    rests = {tuple(word for word in own if word not in SPLIT_WORDS) for own in words.values()}
    names = [own[0] for own in splits.values() if len(own) == 1]
    renamed = {top: tuple(own) for top, own in splits.items()}
    if len(words) < 2 or len(rests) != 1 or rests == {()} or len(set(names)) != len(words):
        renamed = divide_names(list(words))

    def rename(path: _Path) -> _Path:
        if path.top not in renamed:
            return path
        # The folder is there twice in some archives: animals-train/animals-train/LABEL.
        rest = path.folders[2:] if path.folders[1:2] == path.folders[:1] else path.folders[1:]
        return _Path((*renamed[path.top], *rest), path.name)

    return [rename(path) for path in paths], [rename(path) for path in others]


def _parse_paths(names: Sequence[str]) -> list[_Path]:
    paths = map(PurePosixPath, names)
    return [_Path(path.parent.parts, path.name) for path in paths]


def _remove_top(path: _Path, top: str) -> _Path:
    return _Path(path.folders[1:] if path.top == top else (), path.name)


def _find_wrapper(paths: Sequence[_Path]) -> str | None:
    """Return the folder that contains the whole dataset, or None."""
    nested = [path.folders for path in paths if path.folders]
    tops = {folders[0] for folders in nested}
    if len(tops) != 1 or _has_split_folders(paths):
        return None
    below = {folders[1] for folders in nested if len(folders) > 1}
    has_direct = any(len(folders) == 1 for folders in nested)
    # Beside loose pictures, a folder with pictures and a single subfolder is rather a label.
    if not below or (has_direct and len(nested) < len(paths) and len(below) < 2):
        return None
    return tops.pop()


def _has_split_folders(paths: Sequence[_Path]) -> bool:
    """Return whether the top folders are splits rather than labels."""
    nested = [path for path in paths if path.folders]
    words = {path.top for path in nested}
    if len({word.lower() for word in words}) == 1:
        if parse_split_folder(next(iter(words))) and _find_labels_in_names(nested) and len(nested) == len(paths):
            return True
        # A label may be named train, but a label named TRAIN that contains only subfolders is very unlikely.
        return words <= {split.upper() for split in SPLITS} and all(len(path.folders) > 1 for path in nested)
    if not words or not all(parse_split_folder(word) for word in words):
        return False
    return any(len(path.folders) > 1 for path in nested) or bool(_find_labels_in_names(nested))


def _has_splits_in_labels(paths: Sequence[_Path]) -> bool:
    """Return whether all subfolders of the labels are splits."""
    inner = {path.folders[1] for path in paths if len(path.folders) > 1}
    return bool(inner) and all(parse_split_folder(word) for word in inner)


def _as_label(top: str) -> str | None:
    return None if not top or is_unlabeled_folder(top) else top


def _as_split(word: str) -> Split | None:
    found = parse_split_folder(word)
    return next((split for split in SPLITS if split == found), None)


def _read_split_folders(paths: Sequence[_Path], others: Sequence[_Path]) -> Layout:
    inside = [_Path(path.folders[1:], path.name) for path in paths]
    other_inside = [_Path(path.folders[1:], path.name) for path in others]
    for top in sorted({path.top for path in paths} - {""}):
        members = [index for index, path in enumerate(paths) if path.top == top]
        while (wrapper := _find_inner_wrapper([inside[index] for index in members], top)) is not None:
            for index in members:
                inside[index] = _remove_top(inside[index], wrapper)
            other_inside = [
                _remove_top(path, wrapper) if whole.top == top and path.top == wrapper else path
                for path, whole in zip(other_inside, others, strict=True)
            ]
    if all(not path.folders or (len(path.folders) == 1 and path.top.lower() in _PICTURE_FOLDERS) for path in inside):
        inside = [_Path((), path.name) for path in inside]
        other_inside = [_Path((), path.name) for path in other_inside]
    for top in _find_unlabeled_splits(paths, inside):
        inside = [_Path((), rest.name) if path.top == top else rest for path, rest in zip(paths, inside, strict=True)]
    labeled_tops = {path.top for path, rest in zip(paths, inside, strict=True) if rest.folders}
    flat = [path for path in paths if path.folders and not labeled_tops]
    in_names = _find_labels_in_names(flat)
    meanings = []
    for path, rest in zip([*paths, *others], [*inside, *other_inside], strict=True):
        label = _as_label(rest.top) or (_label_in_name(path) if path.top in in_names else None)
        meanings.append(PathMeaning(label if path.folders else None, _as_split(path.top) if path.folders else None))
    return Layout(meanings, list(_find_subfolders(inside)))


def _find_unlabeled_splits(paths: Sequence[_Path], inside: Sequence[_Path]) -> list[str]:
    """Return the splits that have all pictures in a folder such as images, while others have folders for labels."""
    names: dict[str, set[str]] = {}
    for path, rest in zip(paths, inside, strict=True):
        names.setdefault(path.top, set()).update(rest.folders[:1])
    labels = set().union(*names.values())
    return [
        top for top, own in names.items()
        if own and all(name.lower() in _PICTURE_FOLDERS for name in own) and labels - own
        and not any(own & other for whole, other in names.items() if whole != top and other - own)
    ]  # fmt: skip


def _find_inner_wrapper(paths: Sequence[_Path], top: str) -> str | None:
    """Return a folder between the folder of a split and those of its labels, such as seg_train/seg_train; or None."""
    words = {path.top for path in paths}
    if len(words) != 1:
        return None
    (word,) = words
    is_repeated = word.lower() == top.lower() or parse_split_folder(word) == parse_split_folder(top)
    is_for_pictures = word.lower() in _PICTURE_FOLDERS and all(len(path.folders) > 1 for path in paths)
    return word if word and (is_repeated or is_for_pictures) else None


def _find_labels_in_names(paths: Sequence[_Path]) -> set[str]:
    """Return the top folders whose pictures are all named LABEL.number.jpg; empty if the names are no labels."""
    tops = {path.top for path in paths}
    named = {top for top in tops if all(_label_in_name(path) for path in paths if path.top == top)}
    labels = Counter(_label_in_name(path) for path in paths if path.top in named)
    return named if 2 <= len(labels) <= sum(labels.values()) // 2 else set()


def _label_in_name(path: _Path) -> str | None:
    match = _LABEL_IN_NAME.fullmatch(path.name)
    return match[1] if match else None


def _find_split_labels(paths: Sequence[_Path]) -> Iterator[Problem]:
    """Yield a problem if labels are named like splits."""
    labels = sorted({path.top for path in paths} - {""})
    named = [label for label in labels if parse_split_folder(label)]
    has_subfolders = any(len(path.folders) > 1 for path in paths if path.top in named)
    if has_subfolders and len({parse_split_folder(label) for label in named} - {UNASSIGNED}) > 1:
        others = [label for label in labels if label not in named]
        message = (
            f"the folders {', '.join(named)} are named like splits, but {_list_names(others)} beside them "
            f"{'is' if len(others) == 1 else 'are'} not; move what is in it into one of them, or remove it"
        )
        yield Problem(ProblemKind.MISREAD, others[0], message)
    elif len({parse_split_folder(label) for label in named} - {UNASSIGNED}) > 1:
        message = (
            f"the folders {', '.join(named)} are named like splits, but contain no folders for labels; put the "
            "pictures into SPLIT/LABEL/, or list them in a .csv index"
        )
        yield Problem(ProblemKind.MISREAD, named[0], message)
    elif divided := [
        label for label in labels if label in divide_names([each for each in labels if divide_name(each)])
    ]:
        others = [label for label in labels if label not in divided]
        message = (
            f"the folders {_list_names(divided)} are named like splits of a label, but {_list_names(others)} beside "
            "them are not; put the pictures into SPLIT/LABEL/"
        )
        yield Problem(ProblemKind.MISREAD, divided[0], message)


def _find_parts(paths: Sequence[_Path]) -> Iterator[Problem]:
    """Yield a problem if the folders are rather parts of one: numbered, folders of a camera, or days."""
    tops = sorted({path.top for path in paths} - {""})
    texts = {tuple(word for word in re.split(r"[^a-z]+", top.lower()) if word) for top in tops}
    is_numbered = len(texts) == 1 and bool(set(*texts) & _PART_WORDS)
    is_camera = all(map(_CAMERA_FOLDER.fullmatch, tops)) and len({top[3:] for top in tops}) == 1
    if len(tops) > 1 and (is_numbered or is_camera or all(map(_DAY.fullmatch, tops))):
        message = (
            f"the folders {_list_names(tops)} are rather parts of one folder than labels; put the pictures into one "
            "folder per label, or list them in a .csv with the columns path and label"
        )
        yield Problem(ProblemKind.MISREAD, tops[0], message)


def _find_subfolders(paths: Sequence[_Path]) -> Iterator[Problem]:
    """Yield a problem for labels with the same subfolders, and for subfolders that have no meaning."""
    subfolders: dict[str, set[str]] = {}
    for path in paths:
        if len(path.folders) > 1:
            subfolders.setdefault(path.top, set()).add(path.folders[1])
    owners: dict[str, list[str]] = {}
    for label, names in sorted(subfolders.items()):
        for name in sorted(names):
            owners.setdefault(name, []).append(label)
    shared = {name: labels for name, labels in owners.items() if len(labels) > 1}
    if all(name.lower() in _PICTURE_FOLDERS for name in shared):
        shared = {}  # LABEL/images/picture
    if shared:
        name, labels = next(iter(shared.items()))
        same = _list_names(list(shared))
        message = (
            f"the labels {', '.join(labels[:_LISTED])} contain the same folders ({same}); if these are the labels, "
            "move them to the top or into TRAIN, VALIDATION, and TEST, else move the pictures of each label into its "
            "folder"
        )
        yield Problem(ProblemKind.MISREAD, name, message)
    for label, names in sorted(subfolders.items()):
        if not names & set(shared):
            message = (
                f"the folders in {label} ({_list_names(sorted(names))}) mean nothing; all their pictures are {label}"
            )
            yield Problem(ProblemKind.UNUSED, label, message)


def _list_names(names: Sequence[str]) -> str:
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
