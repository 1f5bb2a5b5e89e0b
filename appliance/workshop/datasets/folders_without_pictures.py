"""Find folders beside those of the labels that contain no picture, so that a model would lack a label.

A folder with only videos was meant to be a label; an empty one, or one with other files, may be anything.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from appliance.workshop.datasets.layout import PathMeaning
from appliance.workshop.datasets.problems import Problem, ProblemKind

_VIDEO_SUFFIXES = {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".3gp", ".mts", ".mpg", ".mpeg", ".wmv"}
_LISTED = 3


def find_folders_without_pictures(
    pictures: Sequence[str], meanings: Sequence[PathMeaning], others: Sequence[str], empty: Sequence[str]
) -> list[Problem]:
    """Return a problem for each folder beside a label's that has no picture.

    Args:
        pictures: The paths of all pictures, usable or not.
        meanings: The meaning of each one.
        others: The paths of the other files.
        empty: The paths of empty folders.
    """
    parents = {
        parent for path, meaning in zip(pictures, meanings, strict=True) for parent in _find_parent(path, meaning)
    }
    used = {folder for path in pictures for folder in _list_parents(path)}
    suffixes: dict[str, Counter[str]] = {}
    for path in [*others, *(f"{folder}/" for folder in empty)]:
        folder = next((each for each in _list_parents(path) if each not in used and _parent(each) in parents), None)
        if folder is not None:
            suffix = PurePosixPath(path).suffix.lower()
            suffixes.setdefault(folder, Counter()).update([suffix] if not path.endswith("/") else [])
    return [_describe(folder, counts) for folder, counts in sorted(suffixes.items())]


def _find_parent(path: str, meaning: PathMeaning) -> Iterator[str]:
    """Yield the folder that contains the folder of the picture's label."""
    folders = path.split("/")[:-1]
    if meaning.label in folders:
        yield "/".join(folders[: folders.index(meaning.label)])


def _list_parents(path: str) -> Iterator[str]:
    """Yield the folders of a path, the outermost first."""
    parts = path.split("/")
    for length in range(1, len(parts)):
        yield "/".join(parts[:length])


def _parent(folder: str) -> str:
    return folder.rpartition("/")[0]


def _describe(folder: str, suffixes: Counter[str]) -> Problem:
    name = folder.rpartition("/")[2]
    if suffixes and set(suffixes) <= _VIDEO_SUFFIXES:
        message = (
            f"{folder} has only videos, no pictures; take pictures from them, for example with "
            "ffmpeg -i VIDEO -r 2 %04d.jpg, or remove the folder"
        )
        return Problem(ProblemKind.LOST_LABEL, name, message)
    files = ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in suffixes.most_common(_LISTED))
    content = f"only other files ({files})" if suffixes else "no files"
    return Problem(ProblemKind.NO_PICTURES, name, f"{folder} has {content}, so it is no label")
