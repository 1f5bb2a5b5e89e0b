"""Writes a dataset in another of its forms: a zip, a folder, or a folder with a CSV index.

    zip, folder     LABEL/picture, the form that AutoML takes; with splits TRAIN/LABEL/picture and so on
    csv             index.csv beside LABEL/picture, with a first column TRAIN, VALIDATION, TEST or UNASSIGNED for splits

Pictures are copied byte by byte, unlabeled ones to the top, with the guess of a collected frame beside it. What cannot
be decoded is left out and named. The result stands there whole or not at all, and is the same bytes each time.
"""

import csv
import dataclasses
import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

from appliance.errors import DatasetError
from appliance.workshop.datasets.dataset import SPLITS, Dataset, Example, label_fault
from appliance.workshop.datasets.duplicates import look
from appliance.workshop.datasets.formats import SUFFIXES
from appliance.workshop.datasets.layout import UNASSIGNED
from appliance.workshop.datasets.splits import with_splits

Form = Literal["zip", "folder", "csv"]
SplitChoice = Literal["keep", "make", "none", "train", "validation", "test"]
SPLIT_CHOICES: tuple[SplitChoice, ...] = ("keep", "make", "none", *SPLITS)

INDEX_NAME = "index.csv"
# A name in a zip may be longer than one in a folder (255 bytes); this leaves room for a number and a suffix.
_MAX_STEM_BYTES = 200
_SAME_DATE = (1980, 1, 1, 0, 0, 0)  # the least that a zip can say


@dataclass(frozen=True, slots=True)
class PackResult:
    """What was written.

    Attributes:
        out: The zip or the folder.
        pictures: How many went in.
        left_out: A sentence for each that did not.
    """

    out: Path
    pictures: int
    left_out: tuple[str, ...]


class _FileWriter(Protocol):
    def write(self, name: str, content: bytes) -> None: ...


def pack(
    dataset: Dataset,
    out: Path,
    form: Form,
    splits: SplitChoice = "keep",
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PackResult:
    """Writes the dataset to `out`.

    Args:
        dataset: As opened.
        out: Does not exist yet, or is an empty folder.
        form: What to write.
        splits: keep those that the dataset has; make them where they are missing; none: forget them; or the pictures of
            one split alone (made where they are missing), in the plain form.
        seed: For the splits that are made.
        progress: Told how many of how many pictures are read.

    Raises:
        DatasetError: A label's name is wrong, `out` is there already or cannot be written, or nothing is left to write.
    """
    for label in sorted({example.label for example in dataset.examples}):
        if fault := label_fault(label):
            raise DatasetError(f"{dataset.source} cannot be packed: {fault}")
    if out.exists() and not (form != "zip" and out.is_dir() and not any(out.iterdir())):
        raise DatasetError(f"{out} is there already: name another place, or remove it.")
    examples, forms, left_out = _chosen(dataset, splits, seed, progress)
    if not examples:
        raise DatasetError(f"{dataset.source} has no picture to pack{f' for {splits}' if splits in SPLITS else ''}.")
    write = {"zip": _write_zip, "folder": _write_folder, "csv": _write_csv}[form]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write(out, list(_placed(examples, forms, below_splits=form != "csv")))
    except OSError as error:
        raise DatasetError(f"{out} cannot be written: {error.filename or out}: {error.strerror or error}.") from error
    return PackResult(out, len(examples), tuple(left_out))


def _chosen(
    dataset: Dataset, splits: SplitChoice, seed: int, progress: Callable[[int, int], None]
) -> tuple[list[Example], list[str], list[str]]:
    """The examples to write with the splits to say, the format of each, and sentences for what is left out."""
    everything = [*dataset.examples, *dataset.unlabeled]
    looks = look(everything, progress)
    if splits not in ("keep", "none"):
        labeled = with_splits(dataset, seed, looks=looks[: len(dataset.examples)]).examples
        everything = [*labeled, *dataset.unlabeled]
    left_out = [problem.says for problem in dataset.problems if problem.fault != "passed_over"]
    left_out += [seen.fault for seen in looks if seen.fault]
    examples, forms = [], []
    for example, seen in zip(everything, looks, strict=True):
        if seen.fault or (splits in SPLITS and example.split != splits):
            continue
        examples.append(example if splits in ("keep", "make") else dataclasses.replace(example, split=None))
        forms.append(seen.format)
    return examples, forms, left_out


def _placed(examples: list[Example], forms: list[str], below_splits: bool) -> Iterator[tuple[str, Example]]:
    """Each example with its path in the result; two of one name get numbers."""
    with_split_folders = below_splits and any(example.split for example in examples if example.label is not None)
    taken: set[str] = set()
    for example, form in zip(examples, forms, strict=True):
        folders = []
        if example.label is not None:
            folders = [(example.split or UNASSIGNED).upper(), example.label] if with_split_folders else [example.label]
        own = PurePosixPath(PurePosixPath(example.key).name)
        stem, suffix = (
            own.stem.lstrip(".") or "picture",
            own.suffix or SUFFIXES[form],
        )  # a name that begins with a dot is hidden
        stem = stem.encode()[:_MAX_STEM_BYTES].decode(errors="ignore")
        path, number = "/".join((*folders, stem + suffix)), 1
        # Without regard to case and suffix: other file systems know no case, and a sidecar goes by the stem.
        while (key := path.rpartition(".")[0].lower()) in taken:
            number += 1
            path = "/".join((*folders, f"{stem}_{number}{suffix}"))
        taken.add(key)
        yield path, example


def _write_zip(out: Path, placed: list[tuple[str, Example]]) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        os.fchmod(descriptor, 0o666 & ~_umask())
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            _copy(placed, _ZipSink(archive))
        os.replace(temporary, out)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _write_folder(out: Path, placed: list[tuple[str, Example]], index: bytes | None = None) -> None:
    temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        temporary.chmod(0o777 & ~_umask())
        sink = _FolderSink(temporary)
        _copy(placed, sink)
        if index is not None:
            sink.write(INDEX_NAME, index)
        os.replace(temporary, out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _write_csv(out: Path, placed: list[tuple[str, Example]]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    with_sets = any(example.split for _, example in placed)
    for path, example in placed:
        rows.writerow(
            [*([(example.split or UNASSIGNED).upper()] if with_sets else []), path, *filter(None, [example.label])]
        )
    _write_folder(out, placed, text.getvalue().encode())


def _copy(placed: list[tuple[str, Example]], sink: _FileWriter) -> None:
    for path, example in placed:
        sink.write(path, example.read_bytes())
        if example.sidecar:
            sink.write(path.rpartition(".")[0] + ".json", example.shelf.read(example.sidecar, 1 << 16))


class _ZipSink:
    def __init__(self, archive: zipfile.ZipFile):
        self._archive = archive

    def write(self, name: str, content: bytes) -> None:
        entry = zipfile.ZipInfo(name, _SAME_DATE)
        entry.external_attr = 0o644 << 16
        self._archive.writestr(entry, content)  # stored: pictures do not shrink


class _FolderSink:
    def __init__(self, folder: Path):
        self._folder = folder

    def write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _umask() -> int:
    """What new files of this account may not be; can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
