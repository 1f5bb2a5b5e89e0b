"""List the pictures of the device's dataset: one folder for each label, one for background, and the collected frames.

Symbolic links are never followed, and only names that are labels are read, so nothing outside the folders can be shown
or changed. Pictures that this program named keep their id when they are moved; others get one from their path.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.system.foreign_text import clean_text
from appliance.system.names import is_label_name
from appliance.teaching.names import (
    BACKGROUND,
    MIN_PICTURES,
    PictureOrigin,
    find_origin,
    find_recording,
    parse_time,
)

DATASET, COLLECTED = "dataset", "collected"
"""The two roots of tokens, which name a file in the journal: dataset/cup/NAME.jpg."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_ID_DIGITS = 24
_SHOWN_NAME = 60


@dataclass(frozen=True, slots=True)
class TeachingPicture:
    """A picture of the dataset.

    Attributes:
        id: Names it in requests.
        token: Its place: root, folder, and file name.
        path: Its file.
        label: Its label; None for background and unlabeled pictures.
        is_background: Whether it shows none of the labels.
        origin: How it came into the dataset.
        recording: The id of its recording; None for any other picture.
        time_s: When it was taken, as far as known, Unix time.
        size_bytes: The size of its file.
    """

    id: str
    token: str
    path: Path
    label: str | None
    is_background: bool
    origin: PictureOrigin
    recording: str | None
    time_s: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """The pictures of one label.

    Attributes:
        name: The label.
        count: The number of its pictures.
        recordings: The number of recordings among them; all pictures that were not recorded count as one.
    """

    name: str
    count: int
    recordings: int

    @property
    def missing(self) -> int:
        """How many pictures it lacks for training."""
        return max(0, MIN_PICTURES - self.count)


@dataclass(frozen=True, slots=True)
class Listing:
    """What the folders contain.

    Attributes:
        pictures: All pictures, by their ids.
        labels: The labels, in the order of their names.
        notes: Sentences about folders that are not used.
    """

    pictures: dict[str, TeachingPicture]
    labels: tuple[LabelSummary, ...]
    notes: tuple[str, ...]

    @property
    def background(self) -> int:
        """The number of background pictures."""
        return sum(picture.is_background for picture in self.pictures.values())

    @property
    def unlabeled(self) -> int:
        """The number of pictures without a label."""
        return sum(picture.label is None and not picture.is_background for picture in self.pictures.values())

    @property
    def dataset_bytes(self) -> int:
        """The size of the dataset without the collected frames, which have a limit of their own."""
        return sum(picture.size_bytes for picture in self.pictures.values() if picture.token.startswith(f"{DATASET}/"))


def list_folders(dataset: Path, collected: Path) -> Listing:
    """List the pictures of both folders; a folder that is missing or cannot be read is empty.

    Args:
        dataset: The dataset: a folder for each label.
        collected: The folder of collected frames.
    """
    found: list[TeachingPicture] = []
    names, notes = set(), []
    for entry in _scan(dataset):
        if entry.is_symlink() or entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            if not is_label_name(entry.name):
                notes.append(_describe_folder(entry.name))
                continue
            if entry.name != BACKGROUND:
                names.add(entry.name)
            found += _list_pictures(Path(entry.path), f"{DATASET}/{entry.name}", entry.name)
    found += _list_pictures(dataset, DATASET, None)
    found += _list_pictures(collected, COLLECTED, None)
    pictures: dict[str, TeachingPicture] = {}
    for picture in found:
        # The first of two equal names keeps the id that is in the name.
        pictures.setdefault(picture.id, picture)
        if pictures[picture.id] is not picture:
            other = replace(picture, id=_make_id(picture.token))
            pictures[other.id] = other
    return Listing(pictures, _summarize(names, list(pictures.values())), tuple(notes))


def add_to_listing(listing: Listing, dataset: Path, folder: str | None, file_name: str) -> Listing:
    """Return a listing with one more picture, without reading the folders again.

    Args:
        listing: What the folders contained.
        dataset: The dataset.
        folder: The folder of the new picture in the dataset; None for its top.
        file_name: Its name.
    """
    place = dataset / folder if folder else dataset
    token = f"{DATASET}/{folder}" if folder else DATASET
    picture = _describe(place / file_name, f"{token}/{file_name}", folder, (place / file_name).lstat())
    pictures = listing.pictures | {picture.id: picture}
    names = {label.name for label in listing.labels} | ({folder} if folder and folder != BACKGROUND else set())
    return Listing(pictures, _summarize(names, list(pictures.values())), listing.notes)


def stamp_folders(dataset: Path, collected: Path) -> tuple[tuple[str, int], ...]:
    """Return what changes whenever a file is added to or removed from one of the folders."""
    folders = [dataset, collected, *(Path(entry.path) for entry in _scan(dataset) if not entry.is_symlink())]
    stamps = []
    for folder in folders:
        try:
            stamps.append((str(folder), folder.lstat().st_mtime_ns))
        except OSError:
            continue
    return tuple(stamps)


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _list_pictures(folder: Path, token: str, label: str | None) -> Iterator[TeachingPicture]:
    if folder.is_symlink() and token == COLLECTED:
        folder = folder.resolve()  # collect.dir is the owner's choice
    for entry in _scan(folder):
        if entry.name.startswith(".") or Path(entry.name).suffix.lower() not in SUFFIXES:
            continue
        try:
            if not entry.is_file(follow_symlinks=False):
                continue
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        yield _describe(Path(entry.path), f"{token}/{entry.name}", label, status)


def _describe(path: Path, token: str, label: str | None, status: os.stat_result) -> TeachingPicture:
    origin, time_s = find_origin(path.stem), parse_time(path.stem)
    other = PictureOrigin.COLLECTED if token.startswith(f"{COLLECTED}/") else PictureOrigin.IMPORTED
    return TeachingPicture(
        path.stem if origin else _make_id(token),
        token,
        path,
        None if label == BACKGROUND else label,
        label == BACKGROUND,
        origin or other,
        find_recording(path.name),
        status.st_mtime if time_s is None else time_s,
        status.st_size,
    )


def _make_id(place: str) -> str:
    return "file-" + hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()[:_ID_DIGITS]


def _summarize(names: set[str], pictures: Sequence[TeachingPicture]) -> tuple[LabelSummary, ...]:
    counts = Counter(picture.label for picture in pictures)
    recordings = Counter(label for label, _ in {(picture.label, picture.recording) for picture in pictures})
    return tuple(
        LabelSummary(name, counts[name], recordings[name])
        for name in sorted(names, key=lambda name: (name.lower(), name))
    )


def _describe_folder(name: str) -> str:
    shown = clean_text(name, _SHOWN_NAME)
    return (
        f"the folder {shown!r} of the dataset is not used: a label is 1 to 32 characters of A–Z, a–z, 0–9, and _; "
        "rename the folder"
    )
