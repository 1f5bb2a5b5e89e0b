"""Add the pictures of a dataset to a folder with one folder per label, such as the dataset of a device.

Each picture gets a name from its content and the recording that its name states, so that a picture that is there
already is not added again, and pictures of one recording stay together. Pictures become upright JPEGs of at most 1280
pixels, which is more than any model for the device sees; JPEGs that are so already are copied.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import DatasetError, PictureError, TeachingError, describe_os_error
from appliance.imaging.files import (
    detect_picture_format,
    encode_jpeg,
    has_metadata,
    read_picture,
    read_picture_size,
    resize_to_fit,
)
from appliance.system.atomic_files import write_atomically
from appliance.system.foreign_text import clean_text
from appliance.system.names import is_label_name
from appliance.system.owner import act_as_owner
from appliance.teaching.guesses import MAX_PX
from appliance.teaching.names import MAX_LABEL, clean_label, find_origin, find_recording
from appliance.teaching.space import require_free_disk
from appliance.workshop.datasets.dataset import Dataset, Example
from appliance.workshop.datasets.label_names import rename_labels
from appliance.workshop.datasets.problems import ProblemKind

MAX_SIDE_PX = 1280
_JPEG_QUALITY = 92
_HASH_DIGITS = 20
_MAX_REASON = 200
_MINOR = (ProblemKind.SKIPPED, ProblemKind.UNUSED, ProblemKind.NO_PICTURES, ProblemKind.WRONG_NAME)


@dataclass(frozen=True, slots=True)
class FilingResult:
    """What was added.

    Attributes:
        added: The paths of the new files in the folder.
        labeled: The old and the new path of each picture that was there without a label, and now has one.
        known: How many pictures were there already, as they are.
        left_out: A sentence about each picture that was left out.
    """

    added: tuple[str, ...]
    labeled: tuple[tuple[str, str], ...]
    known: int
    left_out: tuple[str, ...]


def file_pictures(
    dataset: Dataset,
    folder: Path,
    max_bytes: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FilingResult:
    """Add the pictures of a dataset to a folder; its splits are dropped, and labels get valid names.

    Args:
        dataset: The opened dataset.
        folder: The folder; created if it is missing.
        max_bytes: Add at most so many bytes; None for no limit.
        progress: Called with (done, total).

    Raises:
        DatasetError: The folder cannot be written, the folders of the dataset have several meanings, or the first
            picture does not fit any more.
    """
    _require_importable(dataset)
    dataset = rename_labels(dataset, _name_labels(dataset.labels))
    examples = [*dataset.examples, *dataset.unlabeled]
    known = _list_stems(folder)
    added: list[str] = []
    labeled: list[tuple[str, str]] = []
    same, left_bytes = 0, max_bytes
    left_out = [clean_text(problem.message, _MAX_REASON) for problem in dataset.problems if problem.kind not in _MINOR]
    for done, example in enumerate(examples, 1):
        try:
            jpeg = _read_as_jpeg(example)
        except (PictureError, TeachingError) as error:
            left_out.append(clean_text(str(error), _MAX_REASON))
            continue
        stem = _make_stem(example, jpeg)
        if stem in known:
            if example.label is not None and known[stem].parent == folder:
                labeled.append((known[stem].name, _label(folder, example.label, known[stem])))
                known[stem] = folder / labeled[-1][1]
            else:
                same += 1
            continue
        if left_bytes is not None:
            left_bytes -= len(jpeg)
        if reason := _find_obstacle(folder, len(jpeg), left_bytes):
            rest = len(examples) - done + 1
            left_out.append(f"{rest} {'picture' if rest == 1 else 'pictures'}: {reason}")
            break
        added.append(_write(folder, example.label, stem, jpeg))
        known[stem] = folder / added[-1]
        progress(done, len(examples))
    if not added and not labeled and not same and left_out:
        raise DatasetError(f"no picture was added: {left_out[-1]}")
    return FilingResult(tuple(added), tuple(labeled), same, tuple(left_out))


def _require_importable(dataset: Dataset) -> None:
    if fault := dataset.misreading:
        raise DatasetError(f"{dataset.source} cannot be imported: {fault.message}")
    if dataset.is_multi_label:
        raise DatasetError(
            f"{dataset.source} has pictures with several labels, which folders cannot show; "
            "train on it where it is: appliance train"
        )


def _name_labels(labels: Sequence[str]) -> dict[str, str]:
    """Return the valid name of each label that has none; no two labels get the same one (C# and C++)."""
    taken = {label for label in labels if is_label_name(label)}
    names: dict[str, str] = {}
    for label in labels:
        with suppress(TeachingError):  # it is reported with each picture of the label
            stem = clean_label(label)
            if label == stem:
                continue
            name, number = stem, 1
            while name in taken:
                number += 1
                name = f"{stem[: MAX_LABEL - 1 - len(str(number))]}_{number}"
            names[label] = name
            taken.add(name)
    return names


def _list_stems(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob("**/*.jpg") if not path.is_symlink()} if folder.is_dir() else {}


def _read_as_jpeg(example: Example) -> bytes:
    """Return the content as JPEG.

    Raises:
        PictureError: It cannot be read.
        TeachingError: Its label has no valid name.
    """
    if example.label is not None:
        clean_label(example.label)
    content = example.read_bytes()
    width, height = read_picture_size(io.BytesIO(content), example.name)
    if width * height > MAX_PX:
        raise PictureError(f"{example.name} has {width} x {height} pixels, too many for a device; make it smaller")
    is_jpeg = detect_picture_format(content[:64]) == "JPEG"
    if is_jpeg and max(width, height) <= MAX_SIDE_PX and not has_metadata(content):
        read_picture(io.BytesIO(content), example.name, 64)  # damage is found now, not in training
        return content
    pixels = read_picture(io.BytesIO(content), example.name, MAX_SIDE_PX)
    return encode_jpeg(resize_to_fit(pixels, MAX_SIDE_PX), _JPEG_QUALITY)


def _make_stem(example: Example, jpeg: bytes) -> str:
    own = Path(example.name).stem
    if find_origin(own):
        return own
    recording = find_recording(example.name)
    digest = hashlib.sha256(jpeg).hexdigest()[:_HASH_DIGITS]
    return f"import-{digest}" + (f"_rec-{recording}" if recording else "")


def _find_obstacle(folder: Path, size_bytes: int, left_bytes: int | None) -> str | None:
    if left_bytes is not None and left_bytes < 0:
        return "the dataset has reached its limit (collect.max_bytes, or --max-bytes); delete pictures, or raise it"
    try:
        require_free_disk(folder, size_bytes)
    except TeachingError as error:
        return str(error)
    return None


def _write(folder: Path, label: str | None, stem: str, jpeg: bytes) -> str:
    """Write a picture; return its path in the folder.

    Raises:
        DatasetError: It cannot be written, or its label has no letter.
    """
    with _explain(folder):
        place = _make_place(folder, label)
        write_atomically(place / f"{stem}.jpg", jpeg, durable=False)
    return str((place / f"{stem}.jpg").relative_to(folder))


def _label(folder: Path, label: str, path: Path) -> str:
    """Move a picture that has no label to one; return its new path in the folder."""
    with _explain(folder):
        target = _make_place(folder, label) / path.name
        path.rename(target)
    return str(target.relative_to(folder))


def _make_place(folder: Path, label: str | None) -> Path:
    place = folder / clean_label(label) if label is not None else folder
    place.mkdir(mode=0o750, parents=True, exist_ok=True)
    if place.is_symlink():
        raise DatasetError(f"{place} is a symbolic link, which is not followed; replace it by a folder")
    return place


@contextmanager
def _explain(folder: Path) -> Iterator[None]:
    """Write with the rights of the folder's owner, who may have put a link there, and explain what fails."""
    existing = next(above for above in (folder, *folder.absolute().parents) if os.path.lexists(above))
    try:
        with act_as_owner(existing):
            yield
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written: {describe_os_error(error)}") from error
    except TeachingError as error:
        raise DatasetError(str(error)) from error
